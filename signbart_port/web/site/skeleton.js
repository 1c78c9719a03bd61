/** A clip drawn as a skeleton that plays. */

import { element } from "./elements.js";

const [FRAMES_A_SECOND, SIDE] = [25, 480];
const COLORS = { body: "--body", "left hand": "--left", "right hand": "--right" };

/** A canvas, a button and a slider; `show` gives it a clip. */
export class Player {
  #points = { data: new Float32Array(0), shape: [0, 0, 2] };
  #frame = 0;
  #since = null;

  /** `skeleton` is {points, edges, hands}: edges are pairs of points. */
  constructor(skeleton) {
    this.skeleton = skeleton;
    this.canvas = element("canvas", { width: SIDE, height: SIDE, role: "img" });
    this.button = element("button", { type: "button", onclick: () => this.toggle() });
    this.slider = element("input", {
      type: "range",
      min: 0,
      "aria-label": "Frame",
      oninput: () => this.#seek(this.slider.valueAsNumber),
    });
    const controls = element("div", { className: "controls" }, this.button, this.slider);
    this.element = element("div", { className: "player" }, this.canvas, controls);
    this.parts = partsOf(skeleton);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
    this.#say();
  }

  /** Show points [frame][point][x, y] in parts of the picture, and play them unless motion is unwanted. */
  show(points, name) {
    this.element.hidden = false;
    this.#points = points;
    this.slider.max = points.shape[0] - 1;
    this.canvas.setAttribute("aria-label", `Skeleton of ${name}, ${points.shape[0]} frames`);
    this.#seek(0);
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.toggle();
  }

  /** Hold, and show nothing. */
  hide() {
    this.element.hidden = true;
    this.#since = null;
  }

  /** Play, or hold. */
  toggle() {
    this.#since =
      this.#since === null ? performance.now() - (1000 * this.#frame) / FRAMES_A_SECOND : null;
    this.#say();
    if (this.#since !== null) requestAnimationFrame(() => this.#tick(this.#since));
  }

  #tick(since) {
    if (this.#since !== since) return; // held, or another clip
    const passed = Math.max(0, performance.now() - since);
    this.#move(Math.floor((passed / 1000) * FRAMES_A_SECOND) % this.#points.shape[0]);
    requestAnimationFrame(() => this.#tick(since));
  }

  #seek(frame) {
    this.#since = null;
    this.#say();
    this.#move(frame);
  }

  #move(frame) {
    this.#frame = frame;
    this.slider.value = frame;
    this.#draw();
  }

  #say() {
    this.button.textContent = this.#since === null ? "Play" : "Pause";
  }

  #draw() {
    if (this.#points.shape[0] === 0) return;
    this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
    drawFrame(this.canvas, this.skeleton, this.parts, this.#points, this.#frame);
  }
}

/** Return the hand that each point of a hand belongs to. */
export function partsOf({ hands }) {
  const parts = new Map();
  for (const [hand, points] of Object.entries(hands)) {
    for (const point of points) parts.set(point, hand);
  }
  return parts;
}

/** Draw a frame of points [frame][point][x, y] over what a canvas shows. */
export function drawFrame(canvas, { edges }, parts, { data, shape: [, count] }, frame) {
  const context = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const color = (point) => style.getPropertyValue(COLORS[parts.get(point) ?? "body"]);
  const at = (point) => {
    const [x, y] = data.subarray(2 * (frame * count + point), 2 * (frame * count + point) + 2);
    const there = Number.isFinite(x) && Number.isFinite(y) && (x !== 0 || y !== 0);
    return there ? [x * canvas.width, y * canvas.height] : null;
  };
  context.lineWidth = 3;
  context.lineCap = "round";
  for (const [from, to] of edges) {
    const [start, end] = [at(from), at(to)];
    if (start === null || end === null) continue;
    context.strokeStyle = color(to);
    context.beginPath();
    context.moveTo(...start);
    context.lineTo(...end);
    context.stroke();
  }
  for (let point = 0; point < count; point++) {
    const place = at(point);
    if (place === null) continue;
    context.fillStyle = color(point);
    context.beginPath();
    context.arc(...place, 3, 0, 2 * Math.PI);
    context.fill();
  }
}
