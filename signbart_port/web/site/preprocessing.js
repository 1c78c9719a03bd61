/**
 * A raw clip to the keypoints that a file reads, in the float32 operations of the Python package:
 * its modules data/clip_fitting.py and data/preprocessing.py.
 *
 * What it must know of the file is in a description (tflite/description.py), so that skeletons,
 * joints and boxes stand in one place.
 */

import { checkClip } from "./clip.js";

const { fround } = Math;

/**
 * Return the keypoints {data, shape: [frames, keypoints, 2]} of a raw clip, which is shortened to
 * what the file takes.
 *
 * `skeleton` is the name of the clip's skeleton, where it is not that of the file; `frameSize`,
 * [width, height], says that the coordinates are pixels. Throws an Error, in words for the user, for
 * a clip that the file cannot read.
 */
export function prepareClip(description, clip, { skeleton = null, frameSize = null } = {}) {
  checkClip(clip);
  const { selection, groups } = formOf(description, clip.shape[1], skeleton);
  const frames = keptFrames(clip.shape[0], description.frames);
  const points = select(clip, frames, selection, frameSize);
  if (description.normalization !== null) {
    clipToPicture(points);
    for (let frame = 0; frame < frames.length; frame++) {
      const start = 2 * selection.length * frame;
      const ofFrame = points.subarray(start, start + 2 * selection.length);
      normalize(ofFrame, groups, description.normalization);
    }
  }
  return pick(points, frames.length, selection.length, description.keypoints);
}

/** Return how a file reads clips of so many points. Throws an Error for those that it refuses. */
export function formOf(description, points, skeleton = null) {
  const ofSkeleton = description.clips.filter((form) => form.skeleton === skeleton);
  if (ofSkeleton.length === 0) throw new Error(`${skeleton} is no skeleton that is known`);
  const form = ofSkeleton.find((one) => one.points === points);
  if (form === undefined) {
    const [who, count] =
      skeleton === null
        ? [`the model reads ${description.reads.skeleton}, of`, description.reads.points]
        : [`${skeleton} has`, ofSkeleton.map((one) => one.points).join(" or ")];
    throw new Error(`${points} keypoints a frame: ${who} ${count}`);
  }
  if (form.refused !== undefined) throw new Error(form.refused);
  return form;
}

/** Return the numbers of the frames that are kept: at most `most`, evenly chosen. */
export function keptFrames(frames, most) {
  if (frames <= most) return Array.from({ length: frames }, (_, frame) => frame);
  if (most === 1) return [0];
  const last = most - 1;
  const step = (frames - 1) / last; // as NumPy's linspace
  return Array.from({ length: most }, (_, number) =>
    number === last ? frames - 1 : Math.trunc(number * step),
  );
}

/** Return x and y of the selected points of these frames, in parts of the picture, as float32. */
function select({ data, shape }, frames, selection, frameSize) {
  const [, points, coordinates] = shape;
  const size = frameSize ?? [1, 1];
  // Of a clip in float32 NumPy divides in float32, of any other in float64.
  const divide = data instanceof Float32Array ? (a, b) => fround(a / b) : (a, b) => a / b;
  const selected = new Float32Array(2 * frames.length * selection.length);
  let place = 0;
  for (const frame of frames) {
    for (const point of selection) {
      const start = (frame * points + point) * coordinates;
      for (let axis = 0; axis < 2; axis++, place++) {
        selected[place] = point < 0 ? 0 : divide(data[start + axis], size[axis]);
      }
    }
  }
  return selected;
}

/** Move points into [0, 1], (0, 0) where a coordinate is not finite. */
function clipToPicture(points) {
  for (let place = 0; place < points.length; place += 2) {
    const finite = Number.isFinite(points[place]) && Number.isFinite(points[place + 1]);
    for (const at of [place, place + 1]) points[at] = finite ? clamp(points[at]) : 0;
  }
}

/** Map the square around each group of a frame's points to [0, 1]. */
function normalize(points, groups, { count_missing: countMissing, margin }) {
  for (const [first, past] of groups) {
    const boxes = [0, 1].map((axis) => {
      let [low, high] = [1, 0];
      for (let at = 2 * first; at < 2 * past; at += 2) {
        const missing = points[at] === 0 && points[at + 1] === 0;
        if (countMissing || !missing) low = Math.min(low, points[at + axis]);
        high = Math.max(high, points[at + axis]);
      }
      return { low, high, side: fround(high - low) };
    });
    const longer = Math.max(boxes[0].side, boxes[1].side);
    boxes.forEach(({ low, high, side: own }, axis) => {
      const around = fround(fround(fround(margin) * longer) + fround(fround(longer - own) / 2));
      let start = clamp(fround(low - around));
      let side = fround(clamp(fround(high + around)) - start);
      if (side <= 0) [start, side] = [0, 1]; // below 0 where every point is missing and none counts
      for (let at = 2 * first + axis; at < 2 * past; at += 2) {
        const value = fround(fround(points[at] - start) / side);
        points[at] = countMissing ? value : Math.max(value, 0);
      }
    });
  }
}

function clamp(value) {
  return Math.min(Math.max(value, 0), 1);
}

/** Return these keypoints of every frame. */
function pick(points, frames, count, keypoints) {
  const shape = [frames, keypoints.length, 2];
  const data = new Float32Array(2 * frames * keypoints.length);
  let place = 0;
  for (let frame = 0; frame < frames; frame++) {
    for (const keypoint of keypoints) {
      const start = 2 * (frame * count + keypoint);
      data[place++] = points[start];
      data[place++] = points[start + 1];
    }
  }
  return { data, shape };
}
