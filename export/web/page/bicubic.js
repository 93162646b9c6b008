// Enlarges one channel by bicubic as the kits do: first along rows, then along columns, and only then to levels. Levels
// in between would lose what a hard edge overshoots.

function cubic(x) {
  x = Math.abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/** For each pixel of an axis `scale` times as long: the first pixel that it is made of, and the weights from there. */
function taps(size, scale) {
  return Array.from({ length: size * scale }, (_, at) => {
    const centre = (at + 0.5) / scale;
    const first = Math.max(0, Math.floor(centre - 2 + 0.5));
    const end = Math.min(size, Math.floor(centre + 2 + 0.5));
    const weights = Array.from({ length: end - first }, (_, i) => cubic(first + i - centre + 0.5));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

const clip = (sum) => Math.min(255, Math.max(0, Math.round(sum)));

/** Enlarged channels, made by rows. */
export class Bicubic {
  /** @param {Uint8Array} levels [height, width] */
  constructor(levels, width, height, scale) {
    [this.width, this.down] = [width * scale, taps(height, scale)];
    this.across = new Float32Array(height * this.width);
    const along = taps(width, scale);
    for (let y = 0; y < height; y++) {
      along.forEach(({ first, weights }, x) => {
        let sum = 0;
        for (let i = 0; i < weights.length; i++) sum += weights[i] * levels[y * width + first + i];
        this.across[y * this.width + x] = sum;
      });
    }
  }

  /** A row of the enlarged channel. */
  row(y) {
    const { first, weights } = this.down[y];
    const made = new Uint8Array(this.width);
    for (let x = 0; x < this.width; x++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i] * this.across[(first + i) * this.width + x];
      made[x] = clip(sum);
    }
    return made;
  }
}
