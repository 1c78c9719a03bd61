/** Golden vectors replayed: whether a runtime makes of clips what Python's did. */

import { clipOfNested, flatten } from "./clip.js";
import { signatureInputs } from "./signatures.js";

/**
 * Replay the clips of golden vectors, one after the other.
 *
 * `run(signature, inputs)` gives the scores of a signature's inputs, which are {data, shape} by name.
 * Returns {passed, clips}: see `replayClip`. Without a clip nothing has passed.
 */
export async function replay(golden, run, description = golden.description) {
  const clips = [];
  for (const clip of golden.clips) clips.push(await replayClip(golden, clip, run, description));
  return { passed: clips.length > 0 && clips.every((one) => one.passed), clips };
}

/**
 * Return the largest differences of one clip from its record, {clip, signature, keypoints, scores,
 * milliseconds, passed}.
 *
 * A difference is infinite where a number is NaN on one side only. Throws an Error for a record that the
 * file cannot have given, such as one of another shape.
 */
export async function replayClip(golden, clip, run, description = golden.description) {
  const { data, shape } = clipOfNested(clip.raw);
  const raw = { data: Float32Array.from(data), shape };
  const options = { skeleton: golden.skeleton ?? null, frameSize: golden.frame_size ?? null };
  const { signature, inputs } = signatureInputs(description, raw, options);
  if (signature !== clip.signature) {
    throw new Error(`${clip.clip} goes to ${signature}, its record names ${clip.signature}`);
  }
  const keypoints = Math.max(
    largestDifference(inputs.keypoints.data, clip.keypoints, 3),
    largestDifference(inputs.attention_mask.data, clip.attention_mask, 1),
  );
  const start = performance.now();
  const output = await run(signature, inputs);
  const milliseconds = performance.now() - start;
  const scores = largestDifference(output, clip.scores, 1);
  const passed = keypoints <= golden.tolerance.keypoints && scores <= golden.tolerance.scores;
  return { clip: clip.clip, signature, keypoints, scores, milliseconds, passed };
}

function largestDifference(got, recorded, depth) {
  const { data } = flatten(recorded, depth);
  if (got.length !== data.length) {
    throw new Error(`${got.length} numbers, of which the record has ${data.length}`);
  }
  let largest = 0;
  for (let place = 0; place < data.length; place++) {
    const expected = Math.fround(data[place]);
    if (Number.isNaN(got[place]) && Number.isNaN(expected)) continue;
    const difference = Math.abs(got[place] - expected);
    largest = Math.max(largest, Number.isNaN(difference) ? Infinity : difference);
  }
  return largest;
}
