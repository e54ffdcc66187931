// The picture on the screen: tiles, the mask over them, zoom and pan. Draws when something has
// changed, and never waits for anything.

const TILE = 512;
const MAX_TILES = 240;
const MASK = [255, 0, 110];
const RENDERING = 6; // milliseconds of a frame for what has changed of the mask
const STRIP = 1 << 16; // pixels of the image that are looked at between two looks at the clock
const LOADS = 3; // tiles that are asked for in one frame

export class View {
  constructor(stage, cursor, info, mask, address) {
    Object.assign(this, { stage, cursor, info, mask, address });
    this.tiles = new Map(); // address -> {bitmap, promise}; the least recently used first
    this.maskTiles = new Map();
    this.page = 0;
    this.scale = 1; // screen pixels (of the device) for one pixel of the image
    this.left = 0; // the image's coordinates at the upper left corner of the canvas
    this.top = 0;
    this.versions = { image: "0", fill: null, overlay: null };
    this.overlay = null; // "std", "outside", "weights", "kernel"
    this.split = 0; // share of the width, from the left, that shows what was before
    this.showMask = true;
    this.filled = new Map(); // page -> the mask of the last fill
    this.filledTiles = new Set();
    this.preview = () => {};
    this.moved = () => {};
    this.dirty = false;
    mask.changed = (page, box) => this.spoil(page, box);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(stage.parentElement);
  }

  close() {
    this.observer.disconnect();
    for (const { bitmap } of this.tiles.values()) bitmap?.close();
    this.tiles.clear();
  }

  // --- where things are ---

  resize() {
    const { clientWidth, clientHeight } = this.stage.parentElement;
    if (!clientWidth || !clientHeight) return;
    const ratio = window.devicePixelRatio || 1;
    const first = !this.ratio;
    const middle = first ? null : this.toImage(this.stage.width / 2, this.stage.height / 2);
    this.ratio = ratio;
    for (const canvas of [this.stage, this.cursor]) {
      canvas.width = Math.round(clientWidth * ratio);
      canvas.height = Math.round(clientHeight * ratio);
    }
    if (first || this.fitted) this.fit();
    else {
      this.left = middle[0] - this.stage.width / 2 / this.scale;
      this.top = middle[1] - this.stage.height / 2 / this.scale;
      this.redraw();
    }
  }

  fit() {
    const { width, height } = this.info;
    const margin = 12 * this.ratio;
    const room = [this.stage.width - 2 * margin, this.stage.height - 2 * margin];
    this.scale = Math.min(room[0] / width, room[1] / height);
    this.scale = Math.min(this.scale, 16);
    this.left = (width - this.stage.width / this.scale) / 2;
    this.top = (height - this.stage.height / this.scale) / 2;
    this.fitted = true;
    this.redraw();
  }

  /** Zoom so that the point under (x, y), in pixels of the canvas, stays where it is. */
  zoom(factor, x = this.stage.width / 2, y = this.stage.height / 2) {
    const [column, row] = this.toImage(x, y);
    const smallest = Math.min(1, 32 / Math.max(this.info.width, this.info.height));
    this.scale = Math.min(Math.max(this.scale * factor, smallest), 64);
    this.left = column - x / this.scale;
    this.top = row - y / this.scale;
    this.clamp();
  }

  pan(dx, dy) {
    this.left -= dx / this.scale;
    this.top -= dy / this.scale;
    this.clamp();
  }

  clamp() {
    this.fitted = false;
    const [w, h] = [this.stage.width / this.scale, this.stage.height / this.scale];
    this.left = Math.min(Math.max(this.left, -0.9 * w), this.info.width - 0.1 * w);
    this.top = Math.min(Math.max(this.top, -0.9 * h), this.info.height - 0.1 * h);
    this.redraw();
  }

  toImage(x, y) {
    return [this.left + x / this.scale, this.top + y / this.scale];
  }

  toScreen(column, row) {
    return [(column - this.left) * this.scale, (row - this.top) * this.scale];
  }

  /** Where a pointer is, in the image's coordinates. */
  at(event) {
    const box = this.cursor.getBoundingClientRect();
    return this.toImage(
      (event.clientX - box.left) * this.ratio, (event.clientY - box.top) * this.ratio);
  }

  // --- what is drawn ---

  /** The mask of the last fill: where the fill is shown, and no longer a mark. */
  setFilled(page, pixels) {
    this.filled.set(page, pixels);
    this.filledTiles = new Set();
    const { width } = this.info;
    for (const [number, data] of this.filled) {
      let k = data.indexOf(1);
      while (k >= 0) {
        const row = Math.floor(k / width);
        const column = k - row * width;
        this.filledTiles.add(`${number}/${row >> 9}/${column >> 9}`);
        const next = Math.min((row + 1) * width, row * width + ((column >> 9) + 1) * TILE);
        k = data.indexOf(1, next);
      }
    }
    this.spoil(page, { left: 0, top: 0, right: width, bottom: this.info.height });
  }

  /** Let the parts of the mask that show these pixels be drawn anew. */
  spoil(page, { left, top, right, bottom }) {
    for (const [key, tile] of this.maskTiles) {
      const [number, level, row, column] = key.split("/").map(Number);
      if (number !== page) continue;
      // One more on each side, in the pixels of the tile: outlines look at their neighbours.
      const within = (first, last, index, size) => [
        Math.max(0, (first >> level) - index * TILE - 1),
        Math.min(size, ((last - 1) >> level) - index * TILE + 2)];
      const [x0, x1] = within(left, right, column, tile.width);
      const [y0, y1] = within(top, bottom, row, tile.height);
      if (x0 >= x1 || y0 >= y1) continue;
      const old = tile.spoiled;
      tile.spoiled = !old ? [x0, y0, x1, y1] : [Math.min(x0, old[0]), Math.min(y0, old[1]),
        Math.max(x1, old[2]), Math.max(y1, old[3])];
    }
    this.redraw();
  }

  redraw() {
    if (this.dirty) return;
    this.dirty = true;
    requestAnimationFrame(() => {
      this.dirty = false;
      this.draw();
      this.drawCursor();
      this.moved();
    });
  }

  redrawCursor() {
    if (this.dirty || this.cursorDirty) return;
    this.cursorDirty = true;
    requestAnimationFrame(() => {
      this.cursorDirty = false;
      this.drawCursor();
    });
  }

  draw() {
    const context = this.stage.getContext("2d", { alpha: true });
    const { width, height } = this.stage;
    this.loads = LOADS;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.imageSmoothingEnabled = this.scale < 2;
    const [x, y] = this.toScreen(0, 0);
    const [w, h] = [this.info.width * this.scale, this.info.height * this.scale];
    if (this.info.alpha) checkers(context, Math.max(0, x), Math.max(0, y),
      Math.min(width, x + w), Math.min(height, y + h), 8 * this.ratio);
    const faint = this.overlay === "weights" || this.overlay === "kernel";
    context.globalAlpha = faint ? 0.35 : 1; // so that colours mean the overlay
    const after = this.versions.fill !== null && this.split < 1;
    const line = x + this.split * w;
    if (after && this.split > 0) {
      this.clipped(context, 0, line, () => this.drawLayer(context, "image"));
      this.clipped(context, line, width, () => this.drawLayer(context, "fill"));
    } else this.drawLayer(context, after ? "fill" : "image");
    context.globalAlpha = 1;
    if (this.overlay) {
      context.globalAlpha = this.overlay === "kernel" ? 0.85 : 1;
      this.clipped(context, line, width, () => this.drawLayer(context, this.overlay));
      context.globalAlpha = 1;
    }
    if (this.showMask) this.drawMask(context);
    if (after && this.split > 0) {
      context.fillStyle = "#000";
      context.fillRect(line - 1.5 * this.ratio, y, 3 * this.ratio, h);
      context.fillStyle = "#fff";
      context.fillRect(line - 0.75 * this.ratio, y, 1.5 * this.ratio, h);
    }
  }

  clipped(context, left, right, draw) {
    context.save();
    context.beginPath();
    context.rect(left, 0, right - left, this.stage.height);
    context.clip();
    draw();
    context.restore();
  }

  drawLayer(context, layer) {
    const { level } = this;
    for (const [row, column] of this.visible(level)) {
      const wanted = layer === "fill" && !this.touches(level, row, column) ? "image" : layer;
      if (this.drawTile(context, wanted, level, row, column)) continue;
      // Until it is there: what was there before, or something coarser.
      const older = this.previous?.[wanted];
      if (older && this.drawTile(context, wanted, level, row, column, older)) continue;
      if (wanted === "fill" && this.drawTile(context, "image", level, row, column)) continue;
      for (let up = 1; wanted !== "fill" && level + up <= 6; up++) {
        const found = this.tiles.get(
          this.address(wanted, this.version(wanted), this.page, level + up, row >> up, column >> up));
        if (!found?.bitmap) continue;
        const side = TILE >> up;
        const [sx, sy] = [(column % (1 << up)) * side, (row % (1 << up)) * side];
        this.place(context, found.bitmap, level, row, column, sx, sy, side);
        break;
      }
    }
  }

  /** Of tiles: at n, a pixel is 2^n x 2^n pixels of the image, and not less than one on the screen. */
  get level() {
    return Math.min(6, Math.max(0, Math.floor(Math.log2(1 / this.scale))));
  }

  version(layer) {
    if (layer === "image" || layer === "fill") return this.versions[layer];
    return this.versions.overlay;
  }

  drawTile(context, layer, level, row, column, version = this.version(layer)) {
    const tile = this.tile(layer, version, level, row, column, version === this.version(layer));
    if (tile?.bitmap) this.place(context, tile.bitmap, level, row, column, 0, 0, TILE);
    return Boolean(tile?.bitmap);
  }

  place(context, bitmap, level, row, column, sx, sy, side) {
    const whole = TILE << level;
    const [x, y] = this.toScreen(column * whole, row * whole);
    const sw = Math.min(side, bitmap.width - sx);
    const sh = Math.min(side, bitmap.height - sy);
    if (sw <= 0 || sh <= 0) return;
    const unit = (whole / side) * this.scale;
    // Whole pixels of the screen, so that there are no seams.
    const [left, upper] = [Math.round(x), Math.round(y)];
    const right = Math.round(x + Math.min(sw * unit, (this.info.width - column * whole) * this.scale));
    const lower = Math.round(y + Math.min(sh * unit, (this.info.height - row * whole) * this.scale));
    context.drawImage(bitmap, sx, sy, sw, sh, left, upper, right - left, lower - upper);
  }

  *visible(level) {
    const side = TILE << level;
    const rows = Math.ceil(this.info.height / side);
    const columns = Math.ceil(this.info.width / side);
    const [right, bottom] = this.toImage(this.stage.width, this.stage.height);
    for (let row = Math.max(0, Math.floor(this.top / side)); row < rows && row * side < bottom; row++) {
      for (let column = Math.max(0, Math.floor(this.left / side));
        column < columns && column * side < right; column++) yield [row, column];
    }
  }

  /** Whether the last fill has filled anything in a tile. */
  touches(level, row, column) {
    const n = 1 << level;
    for (let r = row * n; r < (row + 1) * n; r++) {
      for (let c = column * n; c < (column + 1) * n; c++) {
        if (this.filledTiles.has(`${this.page}/${r}/${c}`)) return true;
      }
    }
    return false;
  }

  tile(layer, version, level, row, column, load) {
    const key = this.address(layer, version, this.page, level, row, column);
    let tile = this.tiles.get(key);
    if (tile) {
      this.tiles.delete(key);
      this.tiles.set(key, tile);
    } else if (load && this.loads-- <= 0) {
      this.redraw();
    } else if (load) {
      tile = { bitmap: null };
      this.tiles.set(key, tile);
      fetch(new URL(key, document.baseURI))
        .then((response) => (response.ok ? response.blob() : Promise.reject(response.status)))
        .then((blob) => createImageBitmap(blob, { colorSpaceConversion: "none" }))
        .then((bitmap) => { tile.bitmap = bitmap; this.redraw(); },
          () => setTimeout(() => { this.tiles.delete(key); }, 2000));
      for (const [old, { bitmap }] of this.tiles) {
        if (this.tiles.size <= MAX_TILES) break;
        bitmap?.close();
        this.tiles.delete(old);
      }
    }
    return tile;
  }

  // --- the mask ---

  drawMask(context) {
    const data = this.mask.layers.get(this.page);
    if (!data) return;
    const { level } = this;
    const stop = performance.now() + RENDERING;
    for (const [row, column] of this.visible(level)) {
      const key = `${this.page}/${level}/${row}/${column}`;
      let tile = this.maskTiles.get(key);
      if (!tile) {
        const side = (whole, index) => Math.min(TILE, Math.ceil(whole / (1 << level)) - index * TILE);
        const [width, height] = [side(this.info.width, column), side(this.info.height, row)];
        tile = { canvas: null, width, height, spoiled: [0, 0, width, height] };
        if (this.maskTiles.size >= MAX_TILES) {
          this.maskTiles.delete(this.maskTiles.keys().next().value);
        }
        this.maskTiles.set(key, tile);
      }
      // What is not drawn in time is drawn in the next frames; at least one strip in each.
      while (tile.spoiled && performance.now() < stop) {
        this.renderMask(tile, data, level, row * TILE, column * TILE);
      }
      if (tile.spoiled) this.redraw();
      if (tile.canvas) this.place(context, tile.canvas, level, row, column, 0, 0, TILE);
    }
  }

  /** A strip of what has changed: marks that are not filled yet are tinted, filled ones outlined. */
  renderMask(tile, data, level, top, left) {
    const [x0, y0, x1, end] = tile.spoiled;
    const y1 = Math.min(end, y0 + Math.max(1, Math.floor(STRIP / ((x1 - x0) << (2 * level)))));
    tile.spoiled = y1 < end ? [x0, y1, x1, end] : null;
    const [width, height] = [x1 - x0, y1 - y0];
    // With a rim of one pixel: 0 known, 1 filled, 2 not filled yet.
    const stride = width + 2;
    const marks = this.reduce(data, level, top + y0 - 1, left + x0 - 1, height + 2, stride);
    if (!tile.canvas) {
      if (marks.indexOf(1) < 0 && marks.indexOf(2) < 0) return;
      tile.canvas = new OffscreenCanvas(tile.width, tile.height);
    }
    const context = tile.canvas.getContext("2d");
    const image = context.createImageData(width, height);
    const colours = new Uint32Array(image.data.buffer);
    const [r, g, b] = MASK;
    const tint = (130 << 24) | (b << 16) | (g << 8) | r;
    const line = (235 << 24) | (b << 16) | (g << 8) | r;
    for (let y = 0, k = 0; y < height; y++) {
      for (let x = 0, p = (y + 1) * stride + 1; x < width; x++, p++, k++) {
        if (!marks[p]) continue;
        const edge = !marks[p - 1] || !marks[p + 1] || !marks[p - stride] || !marks[p + stride];
        if (edge) colours[k] = line;
        else if (marks[p] === 2) colours[k] = tint;
      }
    }
    context.putImageData(image, x0, y0);
  }

  /** The marks of a region whose pixels are 2^level x 2^level of the image. */
  reduce(data, level, top, left, height, stride) {
    const { info } = this;
    const filled = this.versions.fill === null ? null : this.filled.get(this.page);
    const marks = new Uint8Array(height * stride);
    const first = Math.max(0, left << level);
    const last = Math.min(info.width, (left + stride) << level);
    const bottom = Math.min(info.height, (top + height) << level);
    for (let row = Math.max(0, top << level); row < bottom; row++) {
      const start = row * info.width;
      const into = ((row >> level) - top) * stride - left;
      for (const [from, to] of runs(data, 1, start + first, start + last)) {
        for (let k = into + ((from - start) >> level); k <= into + ((to - 1 - start) >> level); k++) {
          marks[k] ||= 1;
        }
        for (const [a, b] of filled ? runs(filled, 0, from, to) : [[from, to]]) {
          marks.fill(2, into + ((a - start) >> level), into + ((b - 1 - start) >> level) + 1);
        }
      }
    }
    return marks;
  }

  // --- what follows the pointer ---

  drawCursor() {
    const context = this.cursor.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.cursor.width, this.cursor.height);
    this.preview(context);
  }

  /** Lines that are seen on any picture: white on black. */
  outline(context, draw) {
    for (const [colour, width] of [["#000", 3], ["#fff", 1.25]]) {
      context.strokeStyle = colour;
      context.lineWidth = width * this.ratio;
      context.beginPath();
      draw();
      context.stroke();
    }
  }
}

function checkers(context, left, top, right, bottom, side) {
  context.save();
  context.beginPath();
  context.rect(left, top, right - left, bottom - top);
  context.clip();
  context.fillStyle = "#fff";
  context.fillRect(left, top, right - left, bottom - top);
  context.fillStyle = "#ccc";
  for (let y = 0; top + y * side < bottom; y++) {
    for (let x = y % 2; left + x * side < right; x += 2) {
      context.fillRect(left + x * side, top + y * side, side, side);
    }
  }
  context.restore();
}

/** The runs of a value in a part of an array. */
function* runs(array, value, from, stop) {
  const part = array.subarray(0, stop);
  for (let k = part.indexOf(value, from); k >= 0;) {
    const end = part.indexOf(1 - value, k);
    yield [k, end < 0 ? stop : end];
    k = end < 0 ? -1 : part.indexOf(value, end);
  }
}
