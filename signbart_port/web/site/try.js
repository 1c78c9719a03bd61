/** Clips to try: those that the page brings, and what somebody drops. */

import { clipOfNested } from "./clip.js";
import { classify } from "./classify.js";
import { readClip } from "./clip_file.js";
import { element, fill, shown } from "./elements.js";
import { resultOf } from "./results.js";
import { Player } from "./skeleton.js";

/** Build the section, and classify the first of the page's own clips. */
export async function tryClips({ site, golden, description, run }) {
  const section = document.getElementById("try");
  const player = new Player(site.skeleton);
  const result = element("div", { id: "result", role: "status" });
  const stated = formatFields(description);
  let turn = 0;
  const show = async (name, read, format) => {
    const own = ++turn;
    let shows;
    try {
      const { points, ...classified } = await classify(
        await read(),
        format,
        site,
        description,
        run,
      );
      if (own !== turn) return; // another clip has come meanwhile
      player.show(points, name);
      shows = resultOf(classified, description);
    } catch (error) {
      if (own !== turn) return;
      player.hide();
      shows = [element("p", { className: "failed" }, shown(error.message, 600))];
    }
    fill(result, element("h3", {}, shown(name, 80)), ...shows);
    performance.mark("classified");
  };
  const ofPage = { skeleton: golden.skeleton ?? null, frameSize: golden.frame_size ?? null };
  const own = golden.clips.map((clip) => {
    const read = () => {
      const { data, shape } = clipOfNested(clip.raw);
      return { data: Float32Array.from(data), shape };
    };
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
  const usable = clips.filter(
    ({ skeleton, refused }) => skeleton !== null && refused === undefined,
  );
  const names = [...new Set(usable.map(({ skeleton }) => skeleton))];
  const own = element("option", { value: "" }, `the model's own: ${reads.skeleton}`);
  const skeleton = element(
    "select",
    {},
    own,
    ...names.map((name) => element("option", { value: name }, name)),
  );
  const sides = ["width", "height"].map((side) =>
    element("input", {
      type: "number",
      min: 1,
      max: 100000,
      placeholder: side,
      "aria-label": `Frame ${side} in pixels`,
    }),
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
    return {
      skeleton: skeleton.value || null,
      frameSize: size.every((side) => side >= 1) ? size : null,
    };
  };
  return { element: fields, format };
}
