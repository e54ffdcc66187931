// The mask of an image: which pixels are missing, drawn on and undone.

/** One page of a mask, 1 where missing. Every change is kept as the pixels that flipped, so that
 * undo and redo are the same: to flip them again. Shapes keep runs of pixels, what is done to the
 * whole page bits. */
export class Mask {
  constructor(width, height, pages) {
    Object.assign(this, { width, height, pages, page: 0 });
    this.layers = new Map(); // page -> Uint8Array
    this.counts = new Map();
    this.done = [];
    this.undone = [];
    this.runs = null;
    this.unsaved = new Map(); // page -> first and last of the rows that were changed
    this.changed = () => {}; // (page, box) of pixels that were changed
  }

  get data() {
    return this.layers.get(this.page);
  }

  get count() {
    return this.counts.get(this.page) ?? 0;
  }

  /** Take over what the server holds, without history. */
  load(page, bits) {
    this.layers.set(page, unpack(bits, this.width * this.height));
    this.counts.set(page, countBits(bits));
    this.changed(page, { left: 0, top: 0, right: this.width, bottom: this.height });
  }

  /** Forget all pages but one, which others have changed, and what was done to them. */
  forget(page) {
    for (const other of [...this.layers.keys()]) if (other !== page) this.layers.delete(other);
    this.unsaved.clear();
    this.done = this.done.filter((change) => change.page === page);
    this.undone = this.undone.filter((change) => change.page === page);
  }

  // --- changes: begin, some spans, end ---

  begin() {
    this.runs = [];
    this.box = null;
    this.added = 0;
  }

  /** Keep that a part of a row has flipped. */
  note(row, left, right, value) {
    this.runs.push(row * this.width + left, right - left);
    this.added += value ? right - left : left - right;
    this.box ??= { left, top: row, right, bottom: row + 1 };
    const { box } = this;
    if (left < box.left) box.left = left;
    if (right > box.right) box.right = right;
    if (row < box.top) box.top = row;
    if (row >= box.bottom) box.bottom = row + 1;
  }

  /** Set the pixels of a row from `left` to `right`, which is not included. */
  span(row, left, right, value) {
    if (row < 0 || row >= this.height) return;
    const { data } = this;
    const start = row * this.width;
    const stop = Math.min(this.width, right);
    for (let k = Math.max(0, left); k < stop; k++) {
      if (data[start + k] === value) continue;
      const first = k;
      while (k < stop && data[start + k] !== value) data[start + k++] = value;
      this.note(row, first, k, value);
    }
  }

  /** Tell what has changed since the last time, so that a stroke is seen while it is drawn. */
  flush() {
    const { box } = this;
    if (!box) return;
    this.tell(box, this.count + this.added);
    this.box = null;
    this.added = 0;
  }

  tell(box, count) {
    const { page } = this;
    this.counts.set(page, count);
    const [first, last] = this.unsaved.get(page) ?? [Infinity, -1];
    this.unsaved.set(page, [Math.min(first, box.top), Math.max(last, box.bottom - 1)]);
    this.changed(page, box);
  }

  /** Finish a change; it can be undone if it flipped anything. */
  end() {
    this.flush();
    const runs = Uint32Array.from(this.runs);
    this.runs = null;
    if (!runs.length) return false;
    this.push({ page: this.page, runs });
    return true;
  }

  /** All pixels at once, which are kept: those that differ are one change. */
  replace(next) {
    const { bits, count } = differences(this.data, next);
    const first = bits.findIndex(Boolean);
    if (first < 0) return false;
    const stop = bits.findLastIndex(Boolean) + 1;
    this.layers.set(this.page, next);
    this.push({ page: this.page, start: 8 * first, bits: bits.slice(first, stop) });
    this.tellRows(8 * first, 8 * stop, count);
    return true;
  }

  invert() {
    const change = { page: this.page };
    this.push(change);
    this.flipAll(change);
  }

  push(change) {
    this.done.push(change);
    this.undone = [];
  }

  undo() {
    return this.flip(this.done, this.undone);
  }

  redo() {
    return this.flip(this.undone, this.done);
  }

  flip(from, to) {
    const change = from.pop();
    if (!change) return false;
    to.push(change);
    this.page = change.page;
    if (change.runs) this.flipRuns(change);
    else if (change.bits) this.flipBits(change);
    else this.flipAll(change);
    return true;
  }

  flipRuns({ runs }) {
    const { data, width } = this;
    this.begin();
    for (let k = 0; k < runs.length; k += 2) {
      const [start, stop] = [runs[k], runs[k] + runs[k + 1]];
      const row = Math.floor(start / width);
      const value = 1 - data[start]; // the pixels of a run are alike
      data.fill(value, start, stop);
      this.note(row, start - row * width, stop - row * width, value);
    }
    this.runs = null;
    this.flush();
  }

  flipBits({ start, bits }) {
    const { data } = this;
    let { count } = this;
    for (let k = 0; k < bits.length; k++) {
      if (!bits[k]) continue;
      for (let place = start + 8 * k, left = bits[k]; left; place++, left = (left << 1) & 255) {
        if (left & 128) count += (data[place] ^= 1) ? 1 : -1;
      }
    }
    this.tellRows(start, start + 8 * bits.length, count);
  }

  flipAll() {
    const { data } = this;
    const words = asWords(data);
    for (let k = 0; k < words.length; k++) words[k] ^= 0x01010101;
    for (let k = 4 * words.length; k < data.length; k++) data[k] ^= 1;
    this.tellRows(0, data.length, data.length - this.count);
  }

  /** Whole rows have changed, from one pixel to another. */
  tellRows(start, stop, count) {
    const [top, bottom] = [Math.floor(start / this.width), Math.ceil(stop / this.width)];
    this.tell({ left: 0, top, right: this.width, bottom: Math.min(bottom, this.height) }, count);
  }

  /** Rows of a page as bits; all by default. */
  bits(page, top = 0, bottom = this.height) {
    return pack(this.layers.get(page).subarray(top * this.width, bottom * this.width));
  }

  // --- shapes ---

  /** All pixels whose centre is within `radius` of the segment from one point to another. */
  stroke(x0, y0, x1, y1, radius, value) {
    const r = Math.max(radius, 0.5);
    const [dx, dy] = [x1 - x0, y1 - y0];
    const length2 = dx * dx + dy * dy;
    const top = Math.max(0, Math.floor(Math.min(y0, y1) - r));
    const bottom = Math.min(this.height - 1, Math.ceil(Math.max(y0, y1) + r));
    for (let row = top; row <= bottom; row++) {
      const y = row + 0.5;
      let [left, right] = [Infinity, -Infinity];
      const add = (from, to) => { left = Math.min(left, from); right = Math.max(right, to); };
      for (const [x, cy] of [[x0, y0], [x1, y1]]) {
        const rest = r * r - (y - cy) ** 2;
        if (rest >= 0) add(x - Math.sqrt(rest), x + Math.sqrt(rest));
      }
      if (length2 > 0) {
        // Where the row meets the rectangle around the segment: |cross| <= r |d|, 0 <= dot <= d^2.
        let [from, to] = [-Infinity, Infinity];
        const cut = (a, low, high) => { // low <= a x <= high
          if (a === 0) { if (low > 0 || high < 0) to = -Infinity; return; }
          const ends = [low / a, high / a];
          from = Math.max(from, Math.min(...ends));
          to = Math.min(to, Math.max(...ends));
        };
        const across = r * Math.sqrt(length2);
        const shift = (y - y0) * dx + x0 * dy;
        cut(dy, shift - across, shift + across);
        const along = x0 * dx - (y - y0) * dy;
        cut(dx, along, along + length2);
        if (from <= to) add(from, to);
      }
      if (left <= right) this.span(row, Math.ceil(left - 0.5), Math.floor(right - 0.5) + 1, value);
    }
  }

  rectangle(x0, y0, x1, y1, value) {
    const [left, right] = [Math.min(x0, x1), Math.max(x0, x1)];
    const bottom = Math.min(Math.max(y0, y1), this.height);
    for (let row = Math.max(0, Math.min(y0, y1)); row < bottom; row++) {
      this.span(row, left, right, value);
    }
  }

  /** The inside of a closed path (even-odd), by the centres of pixels. */
  polygon(points, value) {
    const ys = points.map(([, y]) => y);
    const bottom = Math.min(this.height - 1, Math.ceil(Math.max(...ys)));
    for (let row = Math.max(0, Math.floor(Math.min(...ys))); row <= bottom; row++) {
      const y = row + 0.5;
      const cuts = [];
      points.forEach(([x1, y1], k) => {
        const [x0, y0] = points[(k + points.length - 1) % points.length];
        if (y0 <= y !== y1 <= y) cuts.push(x0 + ((y - y0) / (y1 - y0)) * (x1 - x0));
      });
      cuts.sort((a, b) => a - b);
      for (let k = 0; k + 1 < cuts.length; k += 2) {
        this.span(row, Math.ceil(cuts[k] - 0.5), Math.ceil(cuts[k + 1] - 0.5), value);
      }
    }
  }
}

// Eight pixels are a byte, the first its highest bit. Pages are read and written eight at a time: one
// of 12 megapixels takes milliseconds.

const PIXELS = Float64Array.from({ length: 256 }, () => 0); // of each byte, as eight bytes
const ONES = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  for (let k = 0; k < 8; k++) {
    const one = (byte >> (7 - k)) & 1;
    new Uint8Array(PIXELS.buffer)[8 * byte + k] = one;
    ONES[byte] += one;
  }
}

function countBits(bits) {
  let count = 0;
  for (const byte of bits) count += ONES[byte];
  return count;
}

export function unpack(bits, length) {
  const result = new Float64Array(bits.length);
  for (let k = 0; k < bits.length; k++) result[k] = PIXELS[bits[k]];
  return new Uint8Array(result.buffer, 0, length);
}

const asWords = (pixels) => new Uint32Array(pixels.buffer, pixels.byteOffset, pixels.length >> 2);
// The product has the lowest bits of the four bytes beside each other in its highest byte.
const nibble = (word) => (Math.imul(word, 0x08040201) >>> 24) & 15;

export function pack(pixels) {
  const bits = new Uint8Array((pixels.length + 7) >> 3);
  const words = asWords(pixels.byteOffset & 3 ? pixels.slice() : pixels);
  const whole = words.length >> 1;
  for (let k = 0; k < whole; k++) bits[k] = (nibble(words[2 * k]) << 4) | nibble(words[2 * k + 1]);
  for (let k = 8 * whole; k < pixels.length; k++) if (pixels[k]) bits[k >> 3] |= 128 >> (k & 7);
  return bits;
}

/** The bits of the pixels that differ, and how many are 1 in the second. */
function differences(one, other) {
  const bits = new Uint8Array((one.length + 7) >> 3);
  const [a, b] = [asWords(one), asWords(other)];
  const whole = a.length >> 1;
  let count = 0;
  for (let k = 0; k < whole; k++) {
    const [c, d] = [b[2 * k], b[2 * k + 1]];
    bits[k] = (nibble(a[2 * k] ^ c) << 4) | nibble(a[2 * k + 1] ^ d);
    count += Math.imul(c + d, 0x01010101) >>> 24;
  }
  for (let k = 8 * whole; k < one.length; k++) {
    if (one[k] !== other[k]) bits[k >> 3] |= 128 >> (k & 7);
    count += other[k];
  }
  return { bits, count };
}
