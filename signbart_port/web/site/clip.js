/**
 * Raw clips: `{data, shape}`, the numbers of [frame][point][x, y or more] one after the other in a
 * Float32Array, a Float64Array or an array, with the three lengths.
 */

/** Numbers of a clip: twice an hour of MediaPipe's 75 points. */
export const MOST_NUMBERS = 2 ** 25;

/** Raise an Error unless a clip is one that can be read. */
export function checkClip({ data, shape }) {
  const whole = (length) => Number.isInteger(length) && length > 0;
  if (!Array.isArray(shape) || shape.length !== 3 || !shape.every(whole) || shape[2] < 2) {
    throw new Error("a clip is [frame][point][x, y]: at least one frame, and one point in it");
  }
  const numbers = shape[0] * shape[1] * shape[2];
  if (numbers > MOST_NUMBERS) {
    throw new Error(`a clip of ${numbers} numbers: at most ${MOST_NUMBERS} can be read`);
  }
  if (data.length !== numbers) {
    throw new Error(`a clip of ${shape.join("×")} has ${numbers} numbers, not ${data.length}`);
  }
}

/** Return the clip of nested arrays, as JSON has them: null is a number that is not there. */
export function clipOfNested(nested) {
  const { data, shape } = flatten(nested, 3);
  const clip = { data, shape };
  checkClip(clip);
  return clip;
}

/** Return the numbers of arrays that are nested `depth` deep, as a Float64Array, and the shape. */
export function flatten(nested, depth) {
  const shape = [];
  for (let level = nested; shape.length < depth; level = level[0]) {
    if (!Array.isArray(level) || level.length === 0) {
      throw new Error(`expected arrays of numbers, nested ${depth} deep and not empty`);
    }
    shape.push(level.length);
  }
  const numbers = shape.reduce((product, length) => product * length, 1);
  if (numbers > MOST_NUMBERS) {
    throw new Error(`${numbers} numbers: at most ${MOST_NUMBERS} can be read`);
  }
  const data = new Float64Array(numbers);
  let place = 0;
  const read = (level, at) => {
    if (at === depth) {
      if (level !== null && typeof level !== "number") {
        throw new Error(`expected a number or null, not ${typeof level}`);
      }
      data[place++] = level === null ? NaN : level;
    } else if (!Array.isArray(level) || level.length !== shape[at]) {
      throw new Error(`expected arrays of one length, ${shape[at]}, at depth ${at + 1}`);
    } else {
      for (const inner of level) read(inner, at + 1);
    }
  };
  read(nested, 0);
  return { data, shape };
}
