/** LiteRT.js, started once, and the model in it. */

import * as litert from "./litert/core.js";
import { openModel } from "./litert.js";

const BUILD = new URL("litert/litert_wasm_compat_internal.js", import.meta.url).href;

/** Start LiteRT.js and open a model, given as a Uint8Array: see `openModel`. */
export async function start(bytes, description) {
  // Its log goes to the console as errors, and is none.
  globalThis.Module = { printErr: (line) => console.debug(line) };
  await litert.loadLiteRt(BUILD);
  return openModel(litert, bytes, description);
}
