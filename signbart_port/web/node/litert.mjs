/** LiteRT.js under Node, which it is not made for: its files come from disk, not from a server. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { runInThisContext } from "node:vm";

const FOLDER = new URL("../litert/", import.meta.url);

/** Load the build of LiteRT.js that this package holds, and return its module. */
export async function loadLiteRt() {
  globalThis.self = globalThis;
  globalThis.importScripts = (path) => {
    // The loader of the WebAssembly expects what a CommonJS module of Node finds.
    Object.assign(globalThis, {
      require: createRequire(import.meta.url),
      __filename: path,
      __dirname: dirname(path),
    });
    runInThisContext(readFileSync(path, "utf8"), { filename: path });
  };
  const litert = await import(new URL("core.js", FOLDER));
  const build = new URL("litert_wasm_compat_internal.js", FOLDER);
  await silently(() => litert.loadLiteRt(fileURLToPath(build)));
  return litert;
}

/** Call a function while nothing is printed: LiteRT.js reports each step of its own start. */
export async function silently(call) {
  const printers = ["log", "info", "warn", "error"].map((name) => [name, console[name]]);
  for (const [name] of printers) console[name] = () => {};
  try {
    return await call();
  } finally {
    Object.assign(console, Object.fromEntries(printers));
  }
}
