/**
 * Reads clips as the page does: `node read_clips.mjs SITE RULES.json FILE...` prints a JSON list,
 * {shape, type, data, figures, notes} or {error} for each file.
 */

import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [site, rulesFile, ...files] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(resolve(site, name)));
const [{ readClip }, { checkParts, figuresOf, notesOn }] = await Promise.all(
  ["clip_file.js", "coordinates.js"].map(load),
);
const { rules, hands } = JSON.parse(readFileSync(rulesFile));

const read = async (path) => {
  try {
    const { data, shape } = await readClip(
      new File([readFileSync(path)], basename(path)),
      "model.tflite",
    );
    const figures = figuresOf({ data, shape }, hands);
    const numbers = Array.from(data, (number) =>
      Number.isFinite(number) ? number : String(number),
    );
    return { shape, type: data.constructor.name, data: numbers, ...said(figures) };
  } catch (error) {
    return { error: error.message };
  }
};

const said = (figures) => {
  try {
    checkParts(figures, null, rules);
    return { notes: notesOn(figures, rules) };
  } catch (error) {
    return { refused: error.message };
  }
};

console.log(JSON.stringify(await Promise.all(files.map(read))));
