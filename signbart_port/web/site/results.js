/** What the model says of a clip: the most probable labels, with bars. */

import { element, shown, time } from "./elements.js";

const BEST = 5;

/** Return the most probable classes, {id, probability}, of scores: logits or probabilities. */
export function best(scores, output, count = BEST) {
  const probabilities = output === "probabilities" ? Array.from(scores) : softmax(scores);
  return probabilities
    .map((probability, id) => ({ id, probability }))
    .sort((a, b) => b.probability - a.probability || a.id - b.id)
    .slice(0, count);
}

function softmax(logits) {
  const highest = logits.reduce((most, one) => Math.max(most, one), -Infinity);
  const powers = Array.from(logits, (logit) => Math.exp(logit - highest));
  const sum = powers.reduce((total, one) => total + one, 0);
  return powers.map((power) => power / sum);
}

/** Return the elements that show a result: {scores, signature, frames, given, milliseconds, notes}. */
export function resultOf(
  { scores, signature, frames, given, milliseconds, notes },
  { output, labels },
) {
  if (!scores.every(Number.isFinite))
    return [element("p", { className: "failed" }, "The scores are not finite.")];
  const bars = best(scores, output).map(({ id, probability }) =>
    bar(labels?.[id] ?? `class ${id}`, probability),
  );
  const kept =
    given > frames ? `${given} frames, of which the model reads ${frames}` : `${frames} frames`;
  const how = element(
    "p",
    { className: "about" },
    `${kept}, by the signature `,
    shown(signature, 60),
    `, in ${time(milliseconds)}.`,
  );
  return [
    element("ol", { className: "bars" }, ...bars),
    how,
    ...notes.map((note) => element("p", { className: "note" }, shown(note))),
  ];
}

function bar(label, probability) {
  const percent = `${(100 * probability).toFixed(1)} %`;
  const filled = element("span", { className: "filled" });
  filled.style.width = percent.replace(" ", "");
  const rail = element("span", { className: "rail", "aria-hidden": "true" }, filled);
  const name = element("span", { className: "label" }, shown(label, 80));
  return element("li", {}, name, element("span", { className: "figure" }, percent), rail);
}
