/** Clips to try: those that the page brings, and what somebody drops. */

import { clipOfNested } from "./clip.js";
import { readClip } from "./clip_file.js";
import { checkParts, checkPixels, figuresOf, notesOn } from "./coordinates.js";
import { element, fill, shown } from "./elements.js";
import { formOf } from "./preprocessing.js";
import { resultOf } from "./results.js";
import { signatureInputs } from "./signatures.js";
import { Player } from "./skeleton.js";

/** Build the section, and classify the first of the page's own clips. */
export async function tryClips({ site, golden, description, run }) {
  const section = document.getElementById("try");
  const player = new Player(site.skeleton);
  const result = element("div", { id: "result", role: "status" });
  const stated = formatFields(description);
  const show = async (name, read, format) => {
    const title = element("h3", {}, shown(name, 80));
    try {
      const clip = await read();
      const { points, ...classified } = await classify(clip, format, site, description, run);
      player.show(points, name);
      fill(result, title, ...resultOf(classified, description));
    } catch (error) {
      fill(result, title, element("p", { className: "failed" }, shown(error.message, 600)));
    }
    performance.mark("classified");
  };
  const ofPage = { skeleton: golden.skeleton ?? null, frameSize: golden.frame_size ?? null };
  const own = golden.clips.map((clip) => {
    const read = () => float32(clipOfNested(clip.raw));
    const onclick = () => show(clip.clip, read, ofPage);
    return element("button", { type: "button", onclick }, shown(clip.clip, 40));
  });
  const drop = (file) => show(file.name, () => readClip(file, site.model.name), stated.format());
  fill(
    section,
    element("p", { className: "about" }, site.clips),
    element("div", { className: "clips" }, ...own),
    dropZone(drop),
    stated.element,
    element("div", { className: "two" }, player.element, result),
  );
  section.hidden = false;
  own[0]?.click();
}

/** Return what a clip becomes and what the model gives. Throws an Error for one that is refused. */
async function classify(clip, { skeleton, frameSize }, site, description, run) {
  const [given, points] = clip.shape;
  const { selection } = formOf(description, points, skeleton);
  const rules = site.coordinates;
  if (frameSize !== null) checkPixels(figuresOf(clip), rules);
  const whole = inParts(clip, Array.from({ length: points }, (_, point) => point), frameSize);
  checkParts(figuresOf(whole), frameSize, rules);
  const read = inParts(clip, selection, frameSize);
  const notes = notesOn({ ...figuresOf(whole), unseen: figuresOf(read, site.skeleton.hands).unseen }, rules);
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

function float32({ data, shape }) {
  return { data: Float32Array.from(data), shape };
}

/** Return a place to drop a file on, which also opens the browser's dialog. */
function dropZone(take) {
  const input = element("input", { type: "file", id: "file", accept: ".npy,.npz,.json,.pkl" });
  input.addEventListener("change", () => {
    if (input.files.length > 0) take(input.files[0]);
    input.value = ""; // the same file once more is a change too
  });
  const words = element("span", {}, "Drop a clip here, or choose one: .npy, .npz or .json");
  const zone = element("label", { id: "drop", className: "drop" }, words, input);
  const over = (event) => {
    event.preventDefault();
    zone.classList.toggle("over", event.type === "dragover");
  };
  for (const type of ["dragover", "dragleave", "drop"]) zone.addEventListener(type, over);
  zone.addEventListener("drop", (event) => {
    if (event.dataTransfer.files.length > 0) take(event.dataTransfer.files[0]);
  });
  return zone;
}

/** Return fields for what a file does not say of its clip: its skeleton, and the size of the frames. */
function formatFields({ reads, clips }) {
  const usable = clips.filter(({ skeleton, refused }) => skeleton !== null && refused === undefined);
  const names = [...new Set(usable.map(({ skeleton }) => skeleton))];
  const own = element("option", { value: "" }, `the model's own: ${reads.skeleton}`);
  const skeleton = element("select", {}, own, ...names.map((name) => element("option", { value: name }, name)));
  const sides = ["width", "height"].map((side) =>
    element("input", { type: "number", min: 1, max: 100000, placeholder: side, "aria-label": `Frame ${side} in pixels` }),
  );
  const fields = element(
    "details",
    {},
    element("summary", {}, "The clip has another skeleton, or is in pixels"),
    element("label", {}, "Skeleton (--skeleton) ", skeleton),
    element("span", { className: "size" }, "Frame size (--frame-size) ", ...sides),
  );
  const format = () => {
    const size = sides.map((side) => side.valueAsNumber);
    return { skeleton: skeleton.value || null, frameSize: size.every((side) => side >= 1) ? size : null };
  };
  return { element: fields, format };
}
