/** Prints the signature that LiteRT.js takes by default, and the shapes of its inputs. */

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [, , web, path] = process.argv;
const { loadLiteRt, silently } = await import(new URL("node/litert.mjs", pathToFileURL(`${web}/`)));
const litert = await loadLiteRt();
const bytes = new Uint8Array(readFileSync(path));
const model = await silently(() => litert.loadAndCompile(bytes, { accelerator: "wasm" }));
const shapes = model.getInputDetails().map(({ name, shape }) => [name, [...shape]]);
const signatures = Object.keys(model.signatures);
console.log(JSON.stringify({ key: model.key, inputs: Object.fromEntries(shapes), signatures }));
