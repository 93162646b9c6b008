// Maps between stages: rows of float16 [channels, width], in memory or, where they are many,
// in a private file of the browser's.

/** Bytes up to which a map is kept in memory. */
const IN_MEMORY = 256 * 2 ** 20;

const PREFIX = "maps-";

/** What onnxruntime-web takes and gives float16 in; values are only moved here. */
const Half = globalThis.Float16Array ?? Uint16Array;

class Rows {
  constructor(height, width, channels) {
    [this.width, this.channels, this.row] = [width, channels, width * channels];
  }

  /** Room for so many rows. */
  room(count) {
    return new Half(count * this.row);
  }
}

class InMemory extends Rows {
  constructor(height, width, channels) {
    super(height, width, channels);
    this.values = this.room(height);
  }

  /** Reads rows into an array, from an offset of it on. */
  read(start, stop, values, offset) {
    values.set(this.values.subarray(start * this.row, stop * this.row), offset);
  }

  write(start, values) {
    this.values.set(values, start * this.row);
  }

  close() {}
}

class OnDisk extends Rows {
  async open() {
    this.home = await navigator.storage.getDirectory();
    this.name = PREFIX + crypto.randomUUID();
    const file = await this.home.getFileHandle(this.name, { create: true });
    this.file = await file.createSyncAccessHandle();
    return this;
  }

  read(start, stop, values, offset) {
    this.file.read(values.subarray(offset, offset + (stop - start) * this.row), { at: 2 * start * this.row });
  }

  write(start, values) {
    if (this.file.write(values, { at: 2 * start * this.row }) < values.byteLength) {
      throw new Error("the disk is full");
    }
  }

  async close() {
    this.file.close();
    await this.home.removeEntry(this.name);
  }
}

/** Room for a map. */
export async function rowsOf(height, width, channels) {
  const fits = 2 * height * width * channels <= IN_MEMORY;
  if (fits || !navigator.storage?.getDirectory) return new InMemory(height, width, channels);
  return new OnDisk(height, width, channels).open();
}

/** Removes what work that was cancelled left behind; another page's files are in use, and stay. */
export async function sweep() {
  if (!navigator.storage?.getDirectory) return;
  const home = await navigator.storage.getDirectory();
  for await (const name of home.keys()) {
    if (name.startsWith(PREFIX)) await home.removeEntry(name).catch(() => {});
  }
}
