/**
 * Runs programs that `snippets` has written: stdin has [{program, model, clips}, ...].
 *
 * Prints, for each, the probabilities of each clip. react-native-fast-tflite cannot run here: in
 * its place stands what notes its inputs and answers with given outputs.
 */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const core = pathToFileURL(resolve("node_modules", "@litertjs", "core", "core.js"));
const { unloadLiteRt } = await import(core);
const results = [];
const warnings = [];
for (const print of ["info", "log", "error"]) console[print] = () => {};
console.warn = (text) => warnings.push(String(text));
for (const { program, answers, clips } of JSON.parse(readFileSync(0, "utf8"))) {
  globalThis.require = (path) => path; // which a bundler would replace
  globalThis.tflite = { answers: answers?.map((one) => Buffer.from(one, "base64")), inputs: [] };
  const { LABELS, best, open, recognize } = await import(pathToFileURL(program));
  const model = await open();
  const probabilities = [];
  for (const clip of clips) probabilities.push(await recognize(model, clip));
  unloadLiteRt(); // so that the next one can load it
  const inputs = globalThis.tflite.inputs.map((one) => one.map((bytes) => Buffer.from(bytes).toString("base64")));
  results.push({ labels: LABELS, best: best(probabilities[0], 2), probabilities, inputs, warnings });
}
process.stdout.write(JSON.stringify(results));
