/**
 * The LiteRT.js side of bench_web.py: model.tflite in, then a line {signature, frames, keypoints,
 * runs} for each turn; a line with its milliseconds out.
 */

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { loadLiteRt, silently } from "../signbart_port/web/node/litert.mjs";

const litert = await loadLiteRt();
const bytes = new Uint8Array(readFileSync(process.argv[2]));
const model = await silently(() => litert.loadAndCompile(bytes, { accelerator: "wasm" }));

for await (const line of createInterface({ input: process.stdin })) {
  const { signature, frames, keypoints, runs } = JSON.parse(line);
  const inputs = {
    keypoints: new litert.Tensor(
      new Float32Array(2 * frames * keypoints).fill(0.5),
      [1, frames, keypoints, 2],
    ),
    attention_mask: new litert.Tensor(new Float32Array(frames).fill(1), [1, frames]),
  };
  const times = [];
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    const outputs = await model.run(signature, inputs);
    for (const output of Object.values(outputs)) {
      output.toTypedArray();
      output.delete();
    }
    times.push(performance.now() - start);
  }
  for (const input of Object.values(inputs)) input.delete();
  console.log(JSON.stringify(times));
}
