/** Members of zip archives, as NumPy writes them: stored or deflated. */

const [MOST_MEMBERS, END, ENTRY, LOCAL] = [1000, 0x06054b50, 0x02014b50, 0x04034b50];
const [STORED, DEFLATED] = [0, 8];

/** Return whether bytes begin as a zip archive does. */
export function isZip(bytes) {
  return bytes.length > 4 && viewOf(bytes).getUint32(0, true) === LOCAL;
}

/** Return the members of an archive by name: a function each that unpacks at most so many bytes. */
export function membersOf(bytes) {
  const view = viewOf(bytes);
  const end = endOf(view);
  const count = view.getUint16(end + 10, true);
  if (count > MOST_MEMBERS) throw new Error("is a zip archive with too many members for one clip");
  const members = new Map();
  let at = view.getUint32(end + 16, true);
  for (let number = 0; number < count; number++) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== ENTRY) throw new Error("is damaged");
    const [name, extra, comment] = [28, 30, 32].map((slot) => view.getUint16(at + slot, true));
    const entry = {
      method: view.getUint16(at + 10, true),
      packed: view.getUint32(at + 20, true),
      local: view.getUint32(at + 42, true),
    };
    const text = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + name));
    if (members.has(text)) throw new Error("has two members of one name");
    members.set(text, (most) => unpack(bytes, entry, most));
    at += 46 + name + extra + comment;
  }
  return members;
}

function endOf(view) {
  const longest = 22 + 0xffff; // with a comment behind it
  for (let at = view.byteLength - 22; at >= Math.max(0, view.byteLength - longest); at--) {
    if (view.getUint32(at, true) === END) return at;
  }
  throw new Error("is cut short");
}

async function unpack(bytes, { method, packed, local }, most) {
  const view = viewOf(bytes);
  if (local + 30 > bytes.length || view.getUint32(local, true) !== LOCAL)
    throw new Error("is damaged");
  const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
  const content = bytes.subarray(start, start + packed);
  if (content.length !== packed) throw new Error("is cut short");
  if (method === STORED && packed <= most) return content;
  if (method === DEFLATED) return inflate(content, most);
  throw new Error(
    method === STORED ? tooLong(most) : "is compressed in a way that NumPy never uses",
  );
}

/** Unpack as it comes, and stop where it is more than was allowed, whatever the archive claims. */
async function inflate(content, most) {
  const reader = new Blob([content])
    .stream()
    .pipeThrough(new DecompressionStream("deflate-raw"))
    .getReader();
  const chunks = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new Error("is damaged");
    });
    if (done) break;
    size += value.length;
    if (size > most) {
      await reader.cancel();
      throw new Error(tooLong(most));
    }
    chunks.push(value);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

function tooLong(most) {
  return `unpacks to more than ${most} bytes: not one clip`;
}

function viewOf(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
