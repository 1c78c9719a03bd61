/** Arrays of .npy files: numbers alone, never pickled objects. */

import { MOST_NUMBERS } from "./clip.js";

const LONGEST_HEADER = 0xffff;
const MAGIC = "\u0093NUMPY";
const READERS = {
  f4: (view, at, little) => view.getFloat32(at, little),
  f8: (view, at, little) => view.getFloat64(at, little),
  i1: (view, at) => view.getInt8(at),
  i2: (view, at, little) => view.getInt16(at, little),
  i4: (view, at, little) => view.getInt32(at, little),
  i8: (view, at, little) => Number(view.getBigInt64(at, little)),
  u1: (view, at) => view.getUint8(at),
  u2: (view, at, little) => view.getUint16(at, little),
  u4: (view, at, little) => view.getUint32(at, little),
  u8: (view, at, little) => Number(view.getBigUint64(at, little)),
};

/** Return whether bytes begin as an .npy file does. */
export function isNpy(bytes) {
  return latin1(bytes.subarray(0, 6)) === MAGIC;
}

/** Return the shape and the type of an .npy file, and where its numbers begin. */
export function headerOf(bytes) {
  if (!isNpy(bytes) || bytes.length < 12) throw new Error("is no NumPy array");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const long = bytes[6] > 1;
  const start = long ? 12 : 10;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  if (length > LONGEST_HEADER || start + length > bytes.length)
    throw new Error("is cut short or damaged");
  const header = latin1(bytes.subarray(start, start + length));
  const dtype = /'descr':\s*'([<>|=])([a-zA-Z])(\d*)'/.exec(header);
  const shape = /'shape':\s*\(([\d,\s]*)\)/.exec(header);
  const order = /'fortran_order':\s*(True|False)/.exec(header);
  if (dtype === null || shape === null || order === null) {
    throw new Error("holds an array that is not one of numbers");
  }
  const lengths = shape[1]
    .split(",")
    .filter((part) => part.trim() !== "")
    .map(Number);
  return {
    shape: lengths,
    type: dtype[2] + dtype[3],
    little: dtype[1] !== ">",
    fortran: order[1] === "True",
    start: start + length,
  };
}

/** Return an array as {data, shape}: float32 stays it, all other numbers become float64. */
export function arrayOf(bytes) {
  const { shape, type, little, fortran, start } = headerOf(bytes);
  if (type[0] === "O") throw new Error("holds Python objects, and was not opened");
  const read = READERS[type];
  if (read === undefined)
    throw new Error(`has numbers of type ${type}, which the page does not read`);
  const count = shape.reduce((product, length) => product * length, 1);
  const size = Number(type.slice(1));
  if (!(count <= MOST_NUMBERS))
    throw new Error(`claims ${count} numbers: at most ${MOST_NUMBERS} are read`);
  if (start + count * size > bytes.length) throw new Error("is cut short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const data = type === "f4" ? new Float32Array(count) : new Float64Array(count);
  for (let place = 0; place < count; place++) {
    const at = fortran ? fortranPlace(place, shape) : place;
    data[place] = read(view, start + at * size, little);
  }
  return { data, shape };
}

/** Return where the number that stands at a place in C order stands in Fortran's. */
function fortranPlace(place, shape) {
  let [rest, stride, at] = [place, shape.reduce((product, length) => product * length, 1), 0];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    stride /= shape[axis];
    at += (rest % shape[axis]) * stride;
    rest = Math.floor(rest / shape[axis]);
  }
  return at;
}

function latin1(bytes) {
  return String.fromCharCode(...bytes);
}
