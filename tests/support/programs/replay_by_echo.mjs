/** Replays golden vectors, which come in as JSON, on a runtime that gives the recorded scores. */

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { replay } = await import(new URL("golden.js", pathToFileURL(`${process.argv[2]}/`)));
const golden = JSON.parse(readFileSync(0, "utf8"));
const ran = [];
const found = await replay(golden, async (signature, inputs) => {
  const shapes = Object.entries(inputs).map(([name, { shape }]) => [name, shape]);
  ran.push([signature, Object.fromEntries(shapes)]);
  return Float32Array.from(golden.clips[ran.length - 1].scores);
});
console.log(JSON.stringify({ ...found, ran }));
