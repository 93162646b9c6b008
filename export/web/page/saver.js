// Writes pictures as files, off the page's own thread: one as it is, several as one ZIP.

import { FORMATS } from "./formats.js";
import { zip } from "./zip.js";

onmessage = async ({ data: { pictures, format, quality } }) => {
  try {
    const { suffix } = FORMATS[format];
    const files = [];
    for (const { levels, stem } of pictures) {
      files.push({ name: own(`${stem}${suffix}`, files), blob: await FORMATS[format].write(levels, quality) });
    }
    postMessage(files.length === 1 ? files[0] : { name: "enlarged.zip", blob: await zip(files) });
  } catch (error) {
    postMessage({ text: `The download could not be written: ${error?.message ?? error}` });
  }
};

/** A name that no other file has. */
function own(name, files) {
  const taken = new Set(files.map((file) => file.name));
  const dot = name.lastIndexOf(".");
  let made = name;
  for (let i = 2; taken.has(made); i++) made = `${name.slice(0, dot)} (${i})${name.slice(dot)}`;
  return made;
}
