/** The page: reads its data, opens the model, proves it, and lets people try it. */

import { element, fill, shown } from "./elements.js";
import { prove, tell } from "./proof.js";
import { start } from "./runtime.js";
import { tryClips } from "./try.js";

const get = async (name) => {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name} cannot be loaded: ${response.status}`);
  return response;
};

/** Say what the file is, from its metadata. */
function showFacts({ model, facts, version }) {
  fill(document.getElementById("name"), shown(model.name, 80));
  const rows = facts.flatMap(([label, text]) => [
    element("dt", {}, label),
    element("dd", {}, shown(text, 1000)),
  ]);
  fill(document.getElementById("facts"), ...rows);
  fill(
    document.getElementById("written"),
    `Written by signbart-port ${version}, with LiteRT.js (`,
    element("a", { href: "litert/LICENSE" }, "Apache-2.0"),
    ").",
  );
}

/** Return null where a file is the one that the golden vectors were made with, or what is wrong. */
async function damageOf(bytes, { sha256 }) {
  if (!globalThis.crypto?.subtle) return null; // only pages of https or of this machine have it
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return found === sha256
    ? null
    : "The file is not the one that the golden vectors were made with: it has another SHA-256.";
}

try {
  const [site, golden] = await Promise.all(
    [get("site.json"), get("golden.json")].map(async (one) => (await one).json()),
  );
  const { description } = golden;
  showFacts(site);
  const bytes = new Uint8Array(await (await get("model.tflite")).arrayBuffer());
  const damage = await damageOf(bytes, golden.model);
  const { run } = await start(bytes, description);
  await prove({ golden, description, run, damage });
  await tryClips({ site, golden, description, run });
  if (site.camera) (await import("./camera.js")).addCamera({ site, description, run });
} catch (error) {
  tell(false, shown(`The model cannot be run here: ${error.message}`, 600));
}
document.documentElement.dataset.ready = "true";
