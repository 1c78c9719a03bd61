/** Notes what it is given, and answers as it was told: in place of a native module. */

export async function loadTensorflowModel(source, delegates) {
  if (!source.endsWith(".tflite") || delegates.length) throw new Error(`loads ${source}`);
  const answers = [...globalThis.tflite.answers];
  const run = async (inputs) => {
    globalThis.tflite.inputs.push(inputs);
    const bytes = answers.shift();
    return [bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)];
  };
  return { run };
}
