/** The golden vectors, run in this browser: PASS or FAIL, clip by clip. */

import { element, fill, shown, small, time } from "./elements.js";
import { replayClip } from "./golden.js";

/**
 * Replay golden vectors, and show what comes of each.
 *
 * `run` is that of `openModel`; `damage` is null, or says that the file is not the one that they were
 * made with. Returns whether everything passed.
 */
export async function prove({ golden, description, run, damage }) {
  const rows = element("tbody");
  fill(document.getElementById("proof"), table(rows));
  const results = [];
  for (const clip of golden.clips) {
    const result = await replayed(golden, description, run, clip);
    results.push(result);
    rows.append(row(result, golden.tolerance));
  }
  const passed = damage === null && results.length > 0 && results.every((one) => one.passed);
  tell(passed, sentence(results, golden.tolerance, damage));
  return passed;
}

/** Say the verdict, in a word and a sentence. */
export function tell(passed, words) {
  const verdict = document.getElementById("verdict");
  verdict.className = passed ? "verdict passed" : "verdict failed";
  fill(verdict, element("strong", {}, passed ? "PASS" : "FAIL"), " ", words);
}

async function replayed(golden, description, run, clip) {
  try {
    return await replayClip(golden, clip, run, description);
  } catch (error) {
    return { clip: clip.clip, signature: clip.signature, passed: false, why: error.message };
  }
}

function sentence(results, tolerance, damage) {
  const passed = results.filter((one) => one.passed).length;
  const said = `${passed} of ${results.length} clips give here what they gave in Python.`;
  if (damage !== null) return `${damage} ${said}`;
  const ran = results.filter((one) => one.why === undefined);
  if (ran.length === 0) return said;
  const largest = ran.reduce((most, { scores }) => Math.max(most, scores), 0); // NaN stays
  const middle = ran.map((one) => one.milliseconds).sort((a, b) => a - b)[ran.length >> 1];
  return (
    `${said} Largest difference of a score ${small(largest)}, allowed ${small(tolerance.scores)};` +
    ` ${time(middle)} a clip.`
  );
}

function table(rows) {
  const heads = ["clip", "signature", "difference", "time", "verdict"];
  const head = element(
    "tr",
    {},
    ...heads.map((name) => element("th", { scope: "col", className: name }, name)),
  );
  const caption = element("caption", {}, "Golden vectors: largest difference of a score");
  const whole = element("table", {}, caption, element("thead", {}, head), rows);
  return element(
    "div",
    { className: "wide", tabIndex: 0, role: "region", "aria-label": "Golden vectors" },
    whole,
  );
}

function row({ clip, signature, keypoints, scores, milliseconds, passed, why }, tolerance) {
  const figures = why === undefined ? [small(scores), time(milliseconds)] : [shown(why), ""];
  const wrong = why === undefined && !(keypoints <= tolerance.keypoints);
  const verdict = `${passed ? "PASS" : "FAIL"}${wrong ? `: keypoints differ by ${small(keypoints)}` : ""}`;
  return element(
    "tr",
    { className: passed ? "passed" : "failed" },
    element("th", { scope: "row" }, shown(clip, 60)),
    element("td", { className: "signature" }, shown(signature, 60)),
    ...figures.map((figure) => element("td", { className: "figure" }, figure)),
    element("td", { className: "word" }, verdict),
  );
}
