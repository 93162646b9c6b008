// A file as pixels, as it looks upright: RGBA, colours not multiplied by alpha, in sRGB.

import { bleed } from "./alpha.js";

const BAND = 256;

/** An error whose message is shown to the user as it is. */
export class Wrong extends Error {
  isWrong = true;
}

/**
 * Decodes an image file.
 *
 * @param {File} file
 * @returns {Promise<{width: number, height: number, rgba: Uint8ClampedArray, transparent: boolean, gray: boolean}>}
 * @throws {Wrong} if it is not an image, or an animation.
 */
export async function decode(file) {
  if (!file.size) throw new Wrong(`${file.name}: the file is empty.`);
  if (await isAnimated(file)) throw new Wrong(`${file.name}: is an animation; choose its frames as single images.`);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image", premultiplyAlpha: "none" });
  } catch {
    throw new Wrong(`${file.name}: is not an image, is damaged, or has a format that this browser cannot read.`);
  }
  try {
    const { width, height } = bitmap;
    let rgba = read(bitmap);
    const transparent = some(rgba, (at) => rgba[at + 3] < 255);
    if (transparent) {
      rgba = readStraight(bitmap) ?? rgba;
      bleed(rgba, width, height);
    }
    const gray = !some(rgba, (at) => rgba[at] !== rgba[at + 1] || rgba[at] !== rgba[at + 2]);
    return { width, height, rgba, transparent, gray };
  } catch (error) {
    throw new Wrong(`${file.name}: is too large for this browser (${error.message}).`);
  } finally {
    bitmap.close();
  }
}

function some(rgba, holds) {
  for (let at = 0; at < rgba.length; at += 4) if (holds(at)) return true;
  return false;
}

/** Whether a file moves, as far as the browser tells. */
async function isAnimated(file) {
  if (!globalThis.ImageDecoder || !(await ImageDecoder.isTypeSupported(file.type).catch(() => false))) return false;
  const decoder = new ImageDecoder({ type: file.type, data: file.stream() });
  try {
    await decoder.completed;
    return decoder.tracks.selectedTrack?.frameCount > 1;
  } catch {
    return false; // whatever it is, decoding it says so
  } finally {
    decoder.close();
  }
}

/** Pixels by way of a canvas, a band at a time: canvases end at some size. Exact where nothing is transparent. */
function read(bitmap) {
  const { width, height } = bitmap;
  const rgba = new Uint8ClampedArray(width * height * 4);
  const canvas = new OffscreenCanvas(width, Math.min(height, BAND));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  for (let top = 0; top < height; top += BAND) {
    const rows = Math.min(BAND, height - top);
    context.clearRect(0, 0, width, rows);
    context.drawImage(bitmap, 0, -top);
    rgba.set(context.getImageData(0, 0, width, rows).data, 4 * top * width);
  }
  return rgba;
}

/** Pixels by way of a texture, which keeps colours as they are under transparency; null where there is no WebGL. */
function readStraight(bitmap) {
  const { width, height } = bitmap;
  const gl = new OffscreenCanvas(1, 1).getContext("webgl");
  if (!gl || Math.max(width, height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) return null;
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  if (gl.checkFramebufferStatus(gl.FRAMEBUFFER) !== gl.FRAMEBUFFER_COMPLETE) return null;
  const rgba = new Uint8ClampedArray(width * height * 4);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(rgba.buffer));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return rgba;
}
