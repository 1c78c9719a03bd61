/**
 * Whether coordinates are parts of the picture: data/coordinates.py's rules, in its words, which the
 * page gets with its data.
 */

/** Return the figures of points [frame][point][x, y] (NaN and (0, 0) are no points). */
export function figuresOf({ data, shape: [frames, points, coordinates] }, hands = {}) {
  let [lowest, highest, outside, finite] = [Infinity, -Infinity, 0, 0];
  const seen = new Uint8Array(points);
  for (let frame = 0; frame < frames; frame++) {
    for (let point = 0; point < points; point++) {
      const start = (frame * points + point) * coordinates;
      const xy = [data[start], data[start + 1]];
      if (xy[0] === 0 && xy[1] === 0) continue;
      if (xy.every(Number.isFinite)) seen[point] = 1;
      for (const value of xy.filter(Number.isFinite)) {
        finite++;
        if (value < 0 || value > 1) outside++;
        lowest = Math.min(lowest, value);
        highest = Math.max(highest, value);
      }
    }
  }
  if (finite === 0) [lowest, highest, finite] = [0, 0, 1];
  const unseen = Object.keys(hands).filter((hand) => !hands[hand].some((point) => seen[point]));
  return { lowest, highest, outside: outside / finite, blank: !seen.includes(1), unseen };
}

/** Throw an Error, in words for the user, where points cannot be parts of the picture. */
export function checkParts(figures, frameSize, { refused, words, units, farthest, pixels }) {
  if (figures.outside <= refused) return;
  const outside = say(words.outside, figures);
  if (frameSize !== null) {
    throw new Error(say(words["another size"], figures, { outside, size: frameSize.join() }));
  }
  const percent = figures.highest > farthest[1] ? "percent" : null;
  const inside = figures.lowest < 0 ? "centered" : "other";
  const [unit, remedy] = units[figures.highest > pixels ? "pixels" : (percent ?? inside)];
  throw new Error(say(words["another unit"], figures, { outside, unit, remedy }));
}

/** Throw an Error, in words for the user, where coordinates as they are stored cannot be pixels. */
export function checkPixels(figures, { refused, words }) {
  if (figures.blank || figures.outside > refused) return;
  throw new Error(say(words["no pixels"], { ...figures, outside: 1 - figures.outside }));
}

/** Return notes on points that are parts of the picture. */
export function notesOn(figures, { noted, farthest, words }) {
  const beyond = figures.lowest < farthest[0] || figures.highest > farthest[1];
  const said = figures.outside > noted || beyond ? [say(words.strays, figures)] : [];
  if (figures.blank) return [...said, words.blank];
  return [...said, ...figures.unseen.map((hand) => say(words.unseen, figures, { hand }))];
}

function say(words, figures, more = {}) {
  const values = {
    share: percent(figures.outside),
    lowest: general(figures.lowest),
    highest: general(figures.highest),
    ...more,
  };
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Return a share as Python's ".0%" does: half a percent goes to the even number. */
function percent(share) {
  const [whole, rest] = [Math.floor(100 * share), (100 * share) % 1];
  return `${rest === 0.5 ? whole + (whole % 2) : Math.round(100 * share)}%`;
}

/** Return a number as Python's ".4g" does. */
function general(number) {
  const [digits, exponent] = number.toExponential(3).split("e").map(Number);
  if (exponent >= -4 && exponent < 4) return String(Number(number.toPrecision(4)));
  return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}
