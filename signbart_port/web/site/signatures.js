/** Which signature of a file a clip goes to, and what that signature is given. */

import { prepareClip } from "./preprocessing.js";

/** Return the shortest signature that takes so many frames; one of dynamic length takes any. */
export function signatureFor(description, frames) {
  const found = description.signatures.find((one) => one.frames === null || one.frames >= frames);
  if (found === undefined) throw new Error(`no signature takes ${frames} frames`);
  return found;
}

/**
 * Return what a raw clip becomes: {signature, frames, inputs}, `inputs` by name as {data, shape}.
 *
 * A clip that is longer than the longest signature is shortened to it, its frames evenly chosen.
 * `options` and what is thrown are those of `prepareClip`.
 */
export function signatureInputs(description, clip, options = {}) {
  const prepared = prepareClip(description, clip, options);
  return pad(signatureFor(description, prepared.shape[0]), prepared);
}

/** Pad keypoints [frames, keypoints, 2] with zeros to the length of a signature. */
export function pad(signature, { data, shape: [frames, keypoints] }) {
  const length = signature.frames ?? frames;
  const padded = new Float32Array(2 * length * keypoints);
  padded.set(data);
  return {
    signature: signature.name,
    frames,
    inputs: {
      keypoints: { data: padded, shape: [1, length, keypoints, 2] },
      attention_mask: { data: new Float32Array(length).fill(1, 0, frames), shape: [1, length] },
    },
  };
}
