/**
 * Replays golden vectors on LiteRT.js: node replay.mjs model.tflite golden.json
 *
 * Prints a line a clip. Ends with 0 where all pass, 1 where one fails, 2 for files that it cannot
 * use.
 */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { openModel, unsupported } from "../site/litert.js";
import { replayClip } from "../site/golden.js";
import { loadLiteRt, silently } from "./litert.mjs";

async function main([modelPath, goldenPath]) {
  if (goldenPath === undefined) throw new Error("give model.tflite and golden.json");
  const golden = read(goldenPath);
  if (golden.description === undefined) {
    throw new Error(`${goldenPath}: has no description of its file: write it again`);
  }
  const bytes = new Uint8Array(readFileSync(modelPath));
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (sha256 !== golden.model.sha256) {
    throw new Error(`${goldenPath}: was made with another model than ${modelPath}`);
  }
  const why = unsupported(golden.description); // before anything is loaded
  if (why !== null) throw new Error(`${modelPath}: ${why}`);
  const litert = await loadLiteRt();
  const { run } = await silently(() => openModel(litert, bytes, golden.description));
  let passed = golden.clips.length > 0;
  for (const clip of golden.clips) {
    const one = await replayClip(golden, clip, run);
    passed &&= one.passed;
    console.log(
      `${one.passed ? "PASS" : "FAIL"} ${one.clip} ${one.signature}` +
        ` keypoints ${one.keypoints.toExponential(1)} scores ${one.scores.toExponential(1)}` +
        ` ${one.milliseconds.toFixed(1)} ms`,
    );
  }
  return passed ? 0 : 1;
}

function read(path) {
  let content;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new Error(`${path}: cannot be read as JSON: ${error.message}`);
  }
  if (!Array.isArray(content?.clips) || content.model === undefined) {
    throw new Error(`${path}: holds no golden vectors`);
  }
  return content;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`replay.mjs: ${error.message}`);
  process.exitCode = 2;
}
