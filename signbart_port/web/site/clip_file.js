/** One clip from a file that somebody drops: .npy, .npz or .json. Nothing in it can run. */

import { checkClip, clipOfNested } from "./clip.js";
import { arrayOf, headerOf, isNpy } from "./npy.js";
import { isZip, membersOf } from "./zip.js";

const LARGEST = 64 * 2 ** 20; // bytes, unpacked too
const LARGEST_JSON = 16 * 2 ** 20;
const PICKLE = 0x80;

/**
 * Return the clip in a File, {data, shape}, by its content and not by its name.
 *
 * Throws an Error in words that follow the file's name. `model` is the name of the .tflite.
 */
export async function readClip(file, model) {
  if (file.size > LARGEST)
    throw new Error(`has ${file.size} bytes, more than ${LARGEST}: not one clip`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (bytes.length === 0) throw new Error("is an empty file");
  if (bytes[0] === PICKLE) throw new Error(pickled(file.name, model));
  const clip = isNpy(bytes)
    ? arrayOf(bytes)
    : isZip(bytes)
      ? await inArchive(bytes)
      : inJson(bytes);
  if (clip.shape.length !== 3 || clip.shape[2] < 2) {
    const shape = clip.shape.join("×") || "a single value";
    throw new Error(
      `has keypoints of shape ${shape}. They are frames × points × coordinates, x and y first`,
    );
  }
  checkClip(clip);
  return clip;
}

/** Return the words on a pickle: it is a program, which only Python's side reads without running. */
function pickled(name, model) {
  const command = [
    "signbart-port",
    "predict",
    quoted(model),
    quoted(name),
    "--golden",
    "clip.json",
  ];
  return `is a pickle, which the page does not open. Make a .json of it: ${command.join(" ")}`;
}

/** Return a file name as a shell takes it. */
function quoted(name) {
  if (/[\p{C}\u2028\u2029]/u.test(name) || name.startsWith("-")) return "FILE";
  return /^[\w.,/+-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
}

async function inArchive(bytes) {
  const members = new Map();
  for (const [name, unpack] of membersOf(bytes)) members.set(name.replace(/\.npy$/, ""), unpack);
  if (members.has("lengths")) {
    throw new Error(
      "holds several clips, one after the other by its lengths. Write each to a file of its own",
    );
  }
  if (members.has("keypoints")) return arrayOf(await members.get("keypoints")(LARGEST));
  const found = [];
  for (const unpack of members.values()) {
    const content = await unpack(LARGEST);
    if (isNpy(content) && headerOf(content).shape.length === 3) found.push(content);
  }
  if (found.length !== 1) {
    throw new Error(
      `has no keypoints: it holds ${[...members.keys()].slice(0, 6).join(", ") || "nothing"}`,
    );
  }
  return arrayOf(found[0]);
}

/** Return the keypoints of a JSON: a list, a dict that has them, or golden vectors of one clip. */
function inJson(bytes) {
  if (bytes.length > LARGEST_JSON)
    throw new Error(`has ${bytes.length} bytes, more than ${LARGEST_JSON}`);
  let root;
  try {
    root = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new Error("is no sample: neither .npy, .npz nor JSON");
  }
  const keypoints = Array.isArray(root) ? root : (root?.keypoints ?? root?.clips?.[0]?.raw);
  if (!Array.isArray(keypoints)) throw new Error("has no keypoints");
  if (root.clips?.length > 1) throw new Error(`holds ${root.clips.length} clips, not one`);
  return clipOfNested(keypoints);
}
