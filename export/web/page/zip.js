// Several files as one ZIP. They are stored as they are: pictures are compressed already.

import { crc32 } from "./crc.js";

/** What a ZIP of the first kind can say of sizes, and of how many there are. */
const [MOST_BYTES, MOST_FILES] = [2 ** 32 - 1, 2 ** 16 - 1];

/** Names are UTF-8; no version beyond 2.0 is needed. */
const [UTF8, VERSION] = [0x0800, 20];

/** Bytes that are read at a time. */
const PIECE = 2 ** 24;

/** @param {{name: string, blob: Blob}[]} files */
export async function zip(files) {
  const [contents, directory] = [[], []];
  let offset = 0;
  for (const { name, blob } of files) {
    const bytes = new TextEncoder().encode(name);
    const known = described(bytes.length, blob.size, await checksum(blob));
    contents.push(record([4, 0x04034b50], ...known), bytes, blob);
    // No comment, the first disk, no attributes of two kinds, and where the file begins.
    directory.push(record([4, 0x02014b50], [2, VERSION], ...known, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), bytes);
    offset = contents.reduce((sum, part) => sum + (part.size ?? part.length), 0);
  }
  const length = directory.reduce((sum, part) => sum + part.length, 0);
  if (offset + length > MOST_BYTES || files.length > MOST_FILES) throw new Error("too much for one ZIP; remove some first");
  const count = [2, files.length];
  const end = record([4, 0x06054b50], [2, 0], [2, 0], count, count, [4, length], [4, offset], [2, 0]);
  return new Blob([...contents, ...directory, end], { type: "application/zip" });
}

async function checksum(blob) {
  let crc = 0;
  for (let at = 0; at < blob.size; at += PIECE) {
    crc = crc32(new Uint8Array(await blob.slice(at, at + PIECE).arrayBuffer()), crc);
  }
  return crc;
}

/** What is said of a file both before it and in the directory: when it was made, how long it and its name are. */
function described(name, size, crc) {
  const now = new Date();
  const time = (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1);
  const date = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  return [[2, VERSION], [2, UTF8], [2, 0], [2, time], [2, date], [4, crc], [4, size], [4, size], [2, name], [2, 0]];
}

/** Numbers of so many bytes each, the lowest byte first. */
function record(...fields) {
  return Uint8Array.from(
    fields.flatMap(([bytes, value]) => Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** i) & 255)),
  );
}
