/**
 * Prepares clips by the modules of web/site: a JSON of jobs comes in, one of results goes out.
 * Arrays are {type, shape, base64}, so that every bit arrives.
 */

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const site = pathToFileURL(`${process.argv[2]}/`);
const { prepareClip } = await import(new URL("preprocessing.js", site));
const { signatureInputs } = await import(new URL("signatures.js", site));

const TYPES = { float32: Float32Array, float64: Float64Array };

function decoded({ type, shape, base64 }) {
  const bytes = Uint8Array.from(Buffer.from(base64, "base64"));
  return { data: new TYPES[type](bytes.buffer), shape };
}

function encoded({ data, shape }) {
  return { shape, base64: Buffer.from(data.buffer).toString("base64") };
}

function result({ description, clip, options, padded }) {
  try {
    if (!padded) return encoded(prepareClip(description, decoded(clip), options));
    const { signature, inputs } = signatureInputs(description, decoded(clip), options);
    return {
      signature,
      keypoints: encoded(inputs.keypoints),
      attention_mask: encoded(inputs.attention_mask),
    };
  } catch (error) {
    return { error: error.message };
  }
}

const jobs = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(jobs.map(result)));
