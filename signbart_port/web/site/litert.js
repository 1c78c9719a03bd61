/** A SignBART's .tflite in LiteRT.js, which whoever calls this has loaded. */

/** Return why LiteRT.js cannot run a file, in words for the user; null where it can. */
export function unsupported(description) {
  const types = new Set();
  for (const { frames, inputs, outputs } of description.signatures) {
    if (frames === null) {
      return (
        "the number of frames is set at run time, which LiteRT.js cannot do." +
        " Convert the model for lengths of clips, such as --frames 16,32,64"
      );
    }
    for (const { type } of [...Object.values(inputs), ...Object.values(outputs)]) types.add(type);
  }
  types.delete("float32");
  if (types.size === 0) return null;
  return (
    `its inputs and output are ${[...types].sort().join(" and ")}, which LiteRT.js does not take.` +
    " Convert the model in a mode that keeps them in float32: any but int8_full"
  );
}

/**
 * Return a function that runs a signature of a file, given as a Uint8Array, and a function that
 * frees its memory: {run(signature, inputs), close()}. `litert` is the module @litertjs/core.
 */
export async function openModel(litert, bytes, description) {
  const why = unsupported(description);
  if (why !== null) throw new Error(`${description.model.name}: ${why}`);
  const model = await litert.loadAndCompile(bytes, { accelerator: "wasm" });
  const run = async (signature, inputs) => {
    const tensors = {};
    let outputs = {};
    try {
      for (const [name, { data, shape }] of Object.entries(inputs)) {
        tensors[name] = new litert.Tensor(data, shape);
      }
      outputs = await model.run(signature, tensors);
      return Float32Array.from(outputs[description.output].toTypedArray());
    } finally {
      for (const tensor of [...Object.values(tensors), ...Object.values(outputs)]) tensor.delete();
    }
  };
  return { run, close: () => model.delete() };
}
