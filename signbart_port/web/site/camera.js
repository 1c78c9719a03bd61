/**
 * Live keypoints, by MediaPipe Holistic in this browser: from the camera or from a video file, drawn
 * over the picture, and classified by a window that slides over the last frames.
 */

import { classify } from "./classify.js";
import { element, fill, shown } from "./elements.js";
import { resultOf } from "./results.js";
import { drawFrame, partsOf } from "./skeleton.js";

const FOLDER = new URL("mediapipe/", import.meta.url).href;
const EVERY = 8; // frames between two classifications
const RATED = 30; // frames that the rate is the mean of
const PARTS = {
  pose: "poseLandmarks",
  "left hand": "leftHandLandmarks",
  "right hand": "rightHandLandmarks",
  face: "faceLandmarks",
};

/** Build the section. */
export function addCamera({ site, description, run }) {
  const section = document.getElementById("camera");
  const video = element("video", { muted: true, playsInline: true, loop: true });
  const label = "Keypoints over the picture";
  const canvas = element("canvas", { width: 640, height: 480, role: "img", "aria-label": label });
  const state = element("p", { id: "camera-state", className: "about" });
  const result = element("div", { id: "camera-result" });
  const parts = { site, description, run, video, canvas, state, result };
  let session = { running: false };
  const begin = async (open) => {
    const own = (session = next(session, video));
    try {
      state.textContent = "Starting";
      await open(video);
      await video.play();
      await follow(parts, own);
    } catch (error) {
      if (own.running) fill(state, shown(`It cannot be shown: ${error.message}`, 300));
    }
  };
  const stop = () => {
    session = next(session, video);
    state.textContent = "";
  };
  const file = element("input", { type: "file", accept: "video/*", id: "video-file" });
  file.addEventListener("change", () => {
    if (file.files.length > 0) begin(async () => (video.src = URL.createObjectURL(file.files[0])));
  });
  const about =
    "The picture is read in this browser, and sent nowhere. How well real signing is recognized" +
    " was not measured.";
  const button = (text, onclick) => element("button", { type: "button", onclick }, text);
  const start = button("Start the camera", () => begin(openCamera));
  fill(
    section,
    element("h2", { id: "camera-title" }, "Camera"),
    element("p", { className: "about" }, about),
    element("div", { className: "clips" }, start, button("Stop", stop)),
    element("label", {}, "Or a video: ", file),
    state,
    element("div", { className: "two" }, canvas, result),
  );
  section.hidden = false;
}

/** End a session, and return a new one. */
function next(session, video) {
  session.running = false;
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  if (video.src) URL.revokeObjectURL(video.src);
  video.srcObject = null;
  video.removeAttribute("src");
  return { running: true };
}

async function openCamera(video) {
  if (!navigator.mediaDevices) throw new Error("browsers give no camera to a page without https");
  const wanted = { video: { width: 640, height: 480 } };
  video.srcObject = await navigator.mediaDevices.getUserMedia(wanted);
}

let detector = null;

/** Return MediaPipe's detector, started once; each picture that it is sent goes to its listener. */
async function holistic() {
  if (detector === null) {
    const script = element("script", { src: `${FOLDER}holistic.js` });
    await new Promise((resolve, reject) => {
      script.onload = resolve;
      script.onerror = () => reject(new Error("MediaPipe cannot be loaded"));
      document.head.append(script);
    });
    detector = new globalThis.Holistic({ locateFile: (name) => FOLDER + name });
    detector.setOptions({ modelComplexity: 1, selfieMode: false });
  }
  return detector;
}

/** Follow the frames of a video until the session ends. */
async function follow(parts, session) {
  const { site, description, video, canvas, state, result } = parts;
  const found = await holistic();
  let frame = null;
  found.onResults((results) => (frame = pointsOf(results, site.skeleton.sources)));
  const [frames, times] = [[], []];
  for (let count = 1; session.running; count++) {
    do {
      await new Promise(requestAnimationFrame); // the detector itself never lets the page breathe
    } while (session.running && video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA);
    await found.send({ image: video });
    if (!session.running || frame === null) continue;
    frames.push(frame);
    times.push(performance.now());
    if (frames.length > description.frames) frames.shift();
    if (times.length > RATED) times.shift();
    show(canvas, video, site.skeleton, frame);
    const seen = frame.some((value) => value !== 0) ? "somebody is seen" : "nobody is seen";
    state.textContent = `${rate(times)} frames a second; ${seen}`;
    if (count % EVERY === 0) fill(result, ...(await classifyWindow(frames, parts)));
  }
}

/** Return x and y of each point that the model's clips have, (0, 0) where it is not seen. */
function pointsOf(results, sources) {
  const points = new Float32Array(2 * sources.length);
  sources.forEach((source, point) => {
    const [, part, number] = /^(.*) (\d+)$/.exec(source);
    const found = results[PARTS[part]]?.[number];
    if (found) points.set([found.x, found.y], 2 * point);
  });
  return points;
}

async function classifyWindow(frames, { site, description, run }) {
  const points = site.skeleton.sources.length;
  const data = new Float32Array(frames.length * 2 * points);
  frames.forEach((one, frame) => data.set(one, frame * one.length));
  const format = { skeleton: ownName(description), frameSize: null };
  const clip = { data, shape: [frames.length, points, 2] };
  return resultOf(await classify(clip, format, site, description, run), description);
}

/** Return null, or the name of the model's skeleton where the number of points alone is refused. */
function ownName({ clips, reads }) {
  const unnamed = clips.find(
    ({ skeleton, points }) => skeleton === null && points === reads.points,
  );
  return unnamed === undefined || unnamed.refused !== undefined ? reads.skeleton : null;
}

function show(canvas, video, skeleton, frame) {
  canvas.height =
    Math.round((canvas.width * video.videoHeight) / video.videoWidth) || canvas.height;
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  drawFrame(
    canvas,
    skeleton,
    partsOf(skeleton),
    { data: frame, shape: [1, frame.length / 2, 2] },
    0,
  );
}

function rate(times) {
  const seconds = (times[times.length - 1] - times[0]) / 1000;
  return seconds > 0 ? ((times.length - 1) / seconds).toFixed(1) : "0";
}
