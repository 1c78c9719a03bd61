/** A raw clip judged, drawn and classified. */

import { checkParts, checkPixels, figuresOf, notesOn } from "./coordinates.js";
import { formOf } from "./preprocessing.js";
import { signatureInputs } from "./signatures.js";

/**
 * Return what the model gives for a clip, and its points to draw: {points, scores, signature, frames,
 * given, milliseconds, notes}. Throws an Error, in words for the user, for one that is refused.
 */
export async function classify(clip, { skeleton, frameSize }, site, description, run) {
  const [given, points] = clip.shape;
  const { selection } = formOf(description, points, skeleton);
  const rules = site.coordinates;
  if (frameSize !== null) checkPixels(figuresOf(clip), rules);
  const whole = inParts(
    clip,
    Array.from({ length: points }, (_, point) => point),
    frameSize,
  );
  checkParts(figuresOf(whole), frameSize, rules);
  const read = inParts(clip, selection, frameSize);
  const notes = notesOn(
    { ...figuresOf(whole), unseen: figuresOf(read, site.skeleton.hands).unseen },
    rules,
  );
  const { signature, frames, inputs } = signatureInputs(description, clip, { skeleton, frameSize });
  const start = performance.now();
  const scores = await run(signature, inputs);
  const milliseconds = performance.now() - start;
  return { points: read, scores, signature, frames, given, milliseconds, notes };
}

/** Return the selected points [frame][point][x, y] of a clip, in parts of the picture. */
function inParts({ data, shape: [frames, points, coordinates] }, selection, frameSize) {
  const parts = new Float32Array(2 * frames * selection.length);
  for (let frame = 0, place = 0; frame < frames; frame++) {
    for (const point of selection) {
      for (let axis = 0; axis < 2; axis++, place++) {
        const at = (frame * points + point) * coordinates + axis;
        parts[place] = point < 0 ? 0 : data[at] / (frameSize?.[axis] ?? 1);
      }
    }
  }
  return { data: parts, shape: [frames, selection.length, 2] };
}
