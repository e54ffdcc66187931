// The view of an image: tools, the picture, and the panel beside it.

import { download, request } from "./api.js";
import { Mask, unpack } from "./mask.js";
import { Drawing, TOOLS } from "./tools.js";
import { counted, listenToRecipe, number, setText, showTemplate, showWork, speakError, tableRow, toast } from "./ui.js";
import { View } from "./view.js";

const STAGES = { filling: "Filling", "error bars": "Error bars", refining: "Refining" };
const SAVE_AFTER = 250; // milliseconds after the last change of the mask
const BAND = 1 << 20; // pixels that are sent at once: a frame waits for them
const LEGENDS = {
  std: "The standard deviation of every filled pixel.",
  outside: "Orange: no known pixel is within reach of the network; filled with the level around it.",
  weights: "How much each known pixel weighs in the one that was clicked.",
  kernel: "The kernel between the pixel that was clicked and every other.",
};

export class ImageEditor {
  keys = {
    "I B E R L P W H": "Tools, from inspect to move",
    "[ ]": "Smaller or larger brush",
    "← ↑ → ↓": "Move the cursor; with Shift by ten",
    Space: "Use the tool at the cursor",
    Enter: "Close a polygon; end a rectangle or a stroke",
    Esc: "Give up what is drawn; cancel the fill",
    "Ctrl+Z Ctrl+Shift+Z": "Undo and redo",
    F: "Fill",
    M: "Show or hide the marks",
    X: "Before or after",
    U: "Uncertainty on or off",
    "+ − 0 1": "Zoom in, out, fit, actual size",
    "Page↑ Page↓": "Pages of a volume",
    Wheel: "Zoom; with Shift to the side",
    "?": "This list",
  };

  constructor(main, state) {
    this.parts = showTemplate(main, "image");
    this.id = state.id;
    this.state = state;
    this.path = `documents/${state.id}`;
    const { info } = state;
    this.mask = new Mask(info.width, info.height, info.pages);
    this.view = new View(this.parts.canvas, this.parts.cursor, info, this.mask,
      (layer, version, page, level, row, column) =>
        `api/v1/${this.path}/tiles/${layer}/${page}/${level}/${row}/${column}?version=${version}`);
    this.view.preview = (context) => this.preview(context);
    this.view.moved = () => this.moved();
    this.drawing = new Drawing(this);
    this.tool = info.missing || state.result.stage ? "inspect" : "brush";
    this.brushSize = Math.max(3, Math.round(Math.min(info.width, info.height) / 25));
    this.pointers = new Map();
    this.saved = -1; // the version of the server's mask that this page has
    this.expected = state.mask; // and the one that it has asked for
    this.parts.title.textContent = state.name;
    this.parts.stage.setAttribute("aria-label", state.name);
    this.makeTools();
    this.makeFormats();
    this.listenToPanel();
    this.listenToStage();
    this.parts.size.max = Math.max(50, Math.round(Math.min(info.width, info.height) / 2));
    this.setBrush(this.brushSize);
    this.parts["pages-row"].hidden = info.pages < 2;
    this.parts.everywhere.hidden = info.pages < 2;
    this.parts.page.max = info.pages - 1;
    this.showPage(Math.floor(info.pages / 2));
    info.warnings.forEach(toast);
  }

  close() {
    if (this.timer) this.saveMask();
    this.view.close();
    this.closed = true;
  }

  get page() {
    return this.view.page;
  }

  // --- what the server says ---

  update(state) {
    const before = this.state;
    this.state = state;
    const { result, explained } = state;
    const p = this.parts;
    const fill = result.stage ? `${result.version}-${result.stage}` : null;
    if (fill !== this.view.versions.fill) {
      const older = before.result.version === result.version;
      this.view.previous = older ? { fill: this.view.versions.fill } : {};
      this.view.versions.fill = fill;
      this.loadFilled();
      if (this.view.overlay === "std") this.setOverlay("std");
    }
    if (explained.version !== this.explainedVersion) {
      this.explainedVersion = explained.version;
      this.showExplained();
    }
    if (state.mask > Math.max(this.saved, this.expected) && !this.timer && !this.saving) {
      this.expected = state.mask;
      this.loadMask(this.page);
    }
    showWork(p, state, STAGES);
    p.done.hidden = !fill;
    p.look.hidden = !fill;
    p.split.disabled = !fill;
    p["slider-row"].setAttribute("aria-disabled", String(!fill));
    p.save.disabled = !fill;
    p["save-std"].disabled = !fill || result.std_max === null;
    if (fill) this.showResult(state);
    this.showCount();
  }

  showResult({ result, stage }) {
    const p = this.parts;
    const how = { filled: "filled exactly", uncertain: "filled exactly" }[result.stage] ??
      (result.refined ? "filled and refined" : "filled exactly; refining would not help");
    const line = `${counted(result.missing, "pixel")} ${how}.`;
    setText(p["done-line"], line);
    setText(p.network, `Network: ${result.chosen}.`);
    p.network.title = result.network_name;
    const notes = [...result.warnings];
    if (!result.converged) notes.push("The solve stopped before it reached the accuracy asked for.");
    if (result.outside) {
      notes.push(`Out of reach of all known pixels: ${result.outside.toLocaleString("en")}.`);
    }
    if (result.refinement) notes.push(result.refinement);
    const key = notes.join("\n");
    if (p.notes.dataset.key !== key) {
      p.notes.dataset.key = key;
      p.notes.replaceChildren(...notes.map((text) => {
        const item = document.createElement("li");
        item.textContent = text;
        return item;
      }));
    }
    this.enableOverlay("std", result.std_max !== null);
    this.enableOverlay("outside", result.outside > 0);
    this.enableOverlay("weights", Boolean(this.state.explained.version));
    this.enableOverlay("kernel", Boolean(this.state.explained.version));
    if (this.view.overlay === null) {
      setText(p["legend-text"], result.std_max === null && stage
        ? "Error bars come next." : "Hover a filled pixel for its value and error bar; with the tool Inspect, click it.");
    }
  }

  enableOverlay(value, enabled) {
    const input = this.parts.look.querySelector(`input[value="${value}"]`);
    input.disabled = !enabled;
    if (!enabled && input.checked) this.setOverlay("");
  }

  async loadFilled() {
    if (this.view.versions.fill === null) {
      this.view.filled.clear();
      this.view.setFilled(this.page, new Uint8Array(this.info.width * this.info.height));
      return;
    }
    const { page } = this;
    const bits = await speakError(() =>
      request("GET", `${this.path}/mask/${page}`, { query: { filled: true }, as: "bytes" }));
    if (!bits || this.closed) return;
    const { width, height } = this.info;
    this.view.setFilled(page, unpack(bits, width * height));
    this.showCount();
  }

  async loadMask(page) {
    const { mask: version } = this.state;
    const bits = await speakError(() =>
      request("GET", `${this.path}/mask/${page}`, { as: "bytes" }));
    if (!bits || this.closed) return;
    if (!this.mask.layers.has(page)) this.mask.load(page, bits);
    else if (this.timer || this.mask.runs) return; // what was changed here is saved first
    else {
      this.changeMask(page, bits);
      this.mask.forget(page);
    }
    this.saved = Math.max(this.saved, version);
    this.showCount();
  }

  changeMask(page, bits) {
    this.mask.page = page;
    return this.mask.replace(unpack(bits, this.mask.data.length));
  }

  get info() {
    return this.state.info;
  }

  // --- the mask goes to the server ---

  /** A change was made here: it is sent soon, and the marks are counted. */
  edited() {
    this.parts.stage.dataset.unsaved = "";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.saveMask(), SAVE_AFTER);
    this.showCount();
  }

  async saveMask() {
    clearTimeout(this.timer);
    if (!this.timer) return this.saving;
    this.timer = null;
    const changes = [...this.mask.unsaved];
    this.mask.unsaved.clear();
    this.saving = (this.saving ?? Promise.resolve()).then(() => speakError(async () => {
      let others = false;
      const most = Math.ceil(BAND / this.info.width);
      for (const [page, [first, last]] of changes) {
        for (let row = first; row <= last && this.mask.layers.has(page); row += most) {
          const rows = Math.min(most, last + 1 - row);
          const { mask } = await request("PUT", `${this.path}/mask/${page}`,
            { query: { row, rows }, body: this.mask.bits(page, row, row + rows) });
          others ||= mask !== this.saved + 1;
          this.saved = mask;
        }
      }
      if (others) await this.loadMask(this.page); // another tab has changed it in between
    }));
    const mine = this.saving;
    await mine;
    if (this.saving === mine) {
      this.saving = null;
      if (!this.timer) delete this.parts.stage.dataset.unsaved;
    }
    return undefined;
  }

  showCount() {
    const p = this.parts;
    const { width, height } = this.info;
    const { count } = this.mask;
    const share = count / (width * height);
    const where = this.info.pages > 1 ? " on this page" : "";
    setText(p.count, !this.mask.data ? "" : count
      ? `${counted(count, "pixel")} marked${where} (${number(100 * share, 2)}\u00a0%).`
      : `Nothing is marked${where}: paint over what is missing, or import a mask.`);
    p.undo.disabled = !this.mask.done.length;
    p.redo.disabled = !this.mask.undone.length;
  }

  async whole(path, body) {
    await speakError(async () => {
      await this.saveMask();
      const page = this.page;
      const bits = await request("POST", `${this.path}/mask/${page}/${path}`, { body, as: "bytes" });
      if (page === this.page && this.changeMask(page, bits)) this.edited();
    }, this.parts["mask-error"]);
  }

  // --- the panel ---

  makeTools() {
    const buttons = Object.entries(TOOLS).map(([name, { label, key }]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("role", "radio");
      button.setAttribute("aria-label", `${label} (${key.toUpperCase()})`);
      button.title = `${label} (${key.toUpperCase()})`;
      button.dataset.tool = name;
      button.innerHTML = `<svg><use href="#i-${name}"/></svg>`;
      button.addEventListener("click", () => this.setTool(name));
      return button;
    });
    const group = document.createElement("div");
    group.setAttribute("role", "radiogroup");
    group.setAttribute("aria-label", "Tool");
    group.className = "tool-group";
    group.append(...buttons);
    group.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      const names = Object.keys(TOOLS);
      const next = names[(names.indexOf(this.tool) + step + names.length) % names.length];
      this.setTool(next);
      group.querySelector(`[data-tool="${next}"]`).focus();
    });
    this.parts.tools.append(group);
    this.setTool(this.tool);
  }

  setTool(name) {
    this.drawing.cancel();
    this.tool = name;
    const p = this.parts;
    p.stage.dataset.tool = name;
    for (const button of p.tools.querySelectorAll("button")) {
      const chosen = button.dataset.tool === name;
      button.setAttribute("aria-checked", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
    p["tool-name"].textContent = TOOLS[name].label;
    p.hint.textContent = TOOLS[name].hint;
    for (const label of p.options.querySelectorAll("[data-for]")) {
      label.hidden = !label.dataset.for.split(" ").includes(name);
    }
    this.view.redrawCursor();
  }

  get subtract() {
    return this.parts.subtract.checked;
  }

  setBrush(size) {
    this.brushSize = Math.min(Math.max(1, Math.round(size)), Number(this.parts.size.max));
    this.parts.size.value = this.brushSize;
    this.parts["size-out"].textContent = `${this.brushSize} px`;
    this.view.redrawCursor();
  }

  makeFormats() {
    const own = this.info.suffix;
    const formats = [own, ...[".png", ".tif", ".npy"].filter((one) => one !== own)];
    this.parts.format.replaceChildren(...formats.map((one, k) => {
      const option = new Option(k ? one.slice(1).toUpperCase() : `${one.slice(1).toUpperCase()}, as it came`, one);
      return option;
    }));
  }

  listenToPanel() {
    const p = this.parts;
    const click = (name, work) => p[name].addEventListener("click", work);
    p.size.addEventListener("input", () => this.setBrush(Number(p.size.value)));
    p.tolerance.addEventListener("input", () => {
      p["tolerance-out"].textContent = `${p.tolerance.value} %`;
    });
    click("undo", () => this.undo());
    click("redo", () => this.redo());
    click("eye", () => this.toggleMask());
    click("zoom-in", () => this.view.zoom(1.5));
    click("zoom-out", () => this.view.zoom(1 / 1.5));
    click("fit", () => this.view.fit());
    click("zoom", () => this.actualSize());
    p.page.addEventListener("input", () => this.showPage(Number(p.page.value)));
    p.split.addEventListener("input", () => {
      this.view.split = Number(p.split.value) / 100;
      this.view.redraw();
    });
    click("invert", () => {
      if (!this.mask.data) return;
      this.mask.invert();
      this.edited();
    });
    click("clear", () => {
      const { mask } = this;
      if (mask.data && mask.replace(new Uint8Array(mask.data.length))) this.edited();
    });
    click("everywhere", () => this.copyToAllPages());
    click("grow", () => this.whole("grow", { pixels: Number(p.pixels.value) }));
    click("shrink", () => this.whole("grow", { pixels: -Number(p.pixels.value) }));
    click("rect-add", () => {
      const [top, left, height, width] = ["top", "left", "height", "width"]
        .map((name) => Math.round(Number(p[`rect-${name}`].value)));
      this.mask.begin();
      this.mask.rectangle(left, top, left + width, top + height, 1);
      p["mask-error"].hidden = true;
      if (this.mask.end()) this.edited();
      else {
        p["mask-error"].textContent = "That rectangle marks nothing new.";
        p["mask-error"].hidden = false;
      }
    });
    click("import", () => p["import-file"].click());
    p["import-file"].addEventListener("change", () => this.importMask());
    click("fill", () => this.fill());
    click("cancel", () => this.cancel());
    for (const input of p.look.querySelectorAll('input[name="overlay"]')) {
      input.addEventListener("change", () => this.setOverlay(input.value));
    }
    click("trace", () => this.explain(this.state.explained.at, true));
    click("save", () => this.save("filled", p.format.value));
    click("save-mask", async () => {
      await this.saveMask();
      this.save("mask");
    });
    click("save-std", () => this.save("std"));
    listenToRecipe(p);
  }

  async copyToAllPages() {
    await speakError(async () => {
      await this.saveMask();
      const body = this.mask.bits(this.page);
      for (let page = 0; page < this.info.pages; page++) {
        if (page === this.page) continue;
        this.saved = (await request("PUT", `${this.path}/mask/${page}`, { body })).mask;
      }
      this.mask.forget(this.page);
      this.showCount();
      toast(`Marked on all ${this.info.pages} pages.`);
    }, this.parts["mask-error"]);
  }

  async importMask() {
    const p = this.parts;
    const [file] = p["import-file"].files;
    if (!file) return;
    await speakError(async () => {
      await this.saveMask();
      await request("POST", `${this.path}/mask`, {
        body: file, query: { name: file.name, invert: p["import-invert"].checked },
      });
    }, p["mask-error"]);
    p["import-file"].value = "";
  }

  async fill() {
    const p = this.parts;
    const end = (field) => (field.value === "" ? null : Number(field.value));
    const bounds = [end(p.low), end(p.high)];
    await speakError(async () => {
      await this.saveMask();
      await request("POST", `${this.path}/fill`, {
        body: {
          refine: p.refine.checked ? "auto" : null,
          interval: Number(p.interval.value),
          bounds: bounds.some((one) => one !== null) ? bounds : null,
        },
      });
    }, p.error);
  }

  async cancel() {
    await speakError(async () => {
      await request("DELETE", `${this.path}/work`);
      toast("Cancelled.");
    }, this.parts.error);
  }

  async save(what, suffix = "") {
    await speakError(async () => {
      const { name, lost } = await download(`${this.path}/files/${what}`, { suffix });
      this.parts.saved.textContent = lost ? `${name}: not kept: ${lost}.` : `${name} is saved.`;
    }, this.parts["save-error"]);
  }

  setOverlay(value) {
    const p = this.parts;
    const { result, explained } = this.state;
    this.view.overlay = value || null;
    p.look.querySelector(`input[value="${value}"]`).checked = true;
    this.view.versions.overlay = value === "std" || value === "outside"
      ? this.view.versions.fill : explained.version;
    const range = { std: [0, result.std_max], kernel: explained.kernel,
      weights: [-explained.weight_max, explained.weight_max] }[value];
    p.legend.hidden = !range;
    if (range) {
      [p["legend-low"].textContent, p["legend-high"].textContent] = range.map((one) => number(one, 2));
      p["legend-bar"].dataset.map = value;
    }
    p["legend-text"].textContent = LEGENDS[value] ?? "";
    this.view.redraw();
  }

  undo() {
    if (this.drawing.cancel()) return;
    if (this.mask.undo()) this.afterUndo();
  }

  redo() {
    if (this.mask.redo()) this.afterUndo();
  }

  afterUndo() {
    if (this.mask.page !== this.page) this.showPage(this.mask.page);
    this.edited();
  }

  toggleMask() {
    this.view.showMask = !this.view.showMask;
    this.parts.eye.setAttribute("aria-pressed", String(this.view.showMask));
    this.view.redraw();
  }

  actualSize() {
    this.view.zoom(1 / this.view.scale);
  }

  showPage(page) {
    if (page < 0 || page >= this.info.pages) return;
    this.view.page = page;
    this.mask.page = page;
    this.parts.page.value = page;
    this.parts["page-out"].textContent = `${page + 1} of ${this.info.pages}`;
    if (!this.mask.layers.has(page)) this.loadMask(page);
    if (this.view.versions.fill !== null && !this.view.filled.has(page)) this.loadFilled();
    this.showCount();
    this.view.redraw();
  }

  // --- pointer and keyboard ---

  listenToStage() {
    const { stage } = this.parts;
    const options = (event) => ({
      shiftKey: event.shiftKey, altKey: event.altKey, pressure: event.pressure,
      pen: event.pointerType === "pen",
    });
    stage.addEventListener("pointerdown", (event) => {
      if (event.button > 1) return;
      stage.focus({ preventScroll: true });
      stage.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
      if (this.pointers.size > 1) { // two fingers: zoom and pan
        this.drawing.cancel();
        this.panning = true;
        return;
      }
      const point = this.view.at(event);
      this.pointer = point;
      this.panning = event.button === 1 || this.tool === "pan";
      this.sliding = this.nearSplit(event);
      if (this.panning || this.sliding) return;
      if (this.tool === "wand") this.selectLike(point, event.altKey || this.subtract);
      else if (this.tool === "inspect") this.explain(this.place(point), false);
      else if (this.mask.data) this.drawing.down(point, options(event));
    });
    stage.addEventListener("pointermove", (event) => {
      const before = this.pointers.get(event.pointerId);
      this.pointer = this.view.at(event);
      this.keyboard = null;
      if (!before) {
        this.hover(event);
        this.view.redrawCursor();
        return;
      }
      if (this.pointers.size > 1) this.pinch(event);
      this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
      if (this.pointers.size > 1) return;
      if (this.panning) {
        const ratio = this.view.ratio;
        this.view.pan((event.clientX - before[0]) * ratio, (event.clientY - before[1]) * ratio);
      } else if (this.sliding) this.slideTo(this.pointer);
      else {
        const events = event.getCoalescedEvents?.() ?? [];
        for (const one of events.length ? events : [event]) {
          this.drawing.move(this.view.at(one), options(one));
        }
      }
    });
    const up = (event) => {
      if (!this.pointers.delete(event.pointerId)) return;
      if (!this.panning && !this.sliding) {
        if (event.type === "pointercancel") this.drawing.cancel();
        else this.drawing.up(this.view.at(event));
      }
      if (!this.pointers.size) this.panning = this.sliding = false;
    };
    stage.addEventListener("pointerup", up);
    stage.addEventListener("pointercancel", up);
    stage.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.hideTip();
      this.view.redrawCursor();
    });
    stage.addEventListener("dblclick", () => { if (this.tool === "polygon") this.drawing.finish(); });
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = stage.getBoundingClientRect();
      const { ratio } = this.view;
      if (event.shiftKey && !event.ctrlKey) {
        this.view.pan(-(event.deltaX + event.deltaY) * ratio, 0);
        return;
      }
      const lines = event.deltaMode === 1 ? 30 : 1;
      this.view.zoom(Math.exp((-event.deltaY * lines * (event.ctrlKey ? 4 : 1)) / 500),
        (event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio);
    }, { passive: false });
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  pinch(event) {
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId);
    const [, fixed] = others[0];
    const before = this.pointers.get(event.pointerId);
    const now = [event.clientX, event.clientY];
    const distance = (point) => Math.hypot(point[0] - fixed[0], point[1] - fixed[1]) || 1;
    const box = this.parts.stage.getBoundingClientRect();
    const { ratio } = this.view;
    this.view.pan(((now[0] - before[0]) / 2) * ratio, ((now[1] - before[1]) / 2) * ratio);
    this.view.zoom(distance(now) / distance(before),
      ((now[0] + fixed[0]) / 2 - box.left) * ratio, ((now[1] + fixed[1]) / 2 - box.top) * ratio);
  }

  nearSplit(event) {
    if (this.view.versions.fill === null || !this.view.split) return false;
    const [x] = this.view.toScreen(this.view.split * this.info.width, 0);
    const box = this.parts.stage.getBoundingClientRect();
    return Math.abs((event.clientX - box.left) * this.view.ratio - x) < 8 * this.view.ratio;
  }

  slideTo([column]) {
    this.view.split = Math.min(Math.max(column / this.info.width, 0), 1);
    this.parts.split.value = 100 * this.view.split;
    this.view.redraw();
  }

  /** Page, row and column of a point. */
  place([x, y]) {
    return [this.page, Math.floor(y), Math.floor(x)];
  }

  inside([, row, column]) {
    return row >= 0 && column >= 0 && row < this.info.height && column < this.info.width;
  }

  async selectLike(point, takeAway) {
    const [page, row, column] = this.place(point);
    if (!this.inside([page, row, column])) return;
    const p = this.parts;
    await speakError(async () => {
      const bits = await request("POST", `${this.path}/mask/${page}/select`, {
        body: { row, column, tolerance: Number(p.tolerance.value) / 100, contiguous: p.contiguous.checked },
        as: "bytes",
      });
      if (page !== this.page) return;
      const found = unpack(bits, this.mask.data.length);
      const next = this.mask.data.slice();
      const value = takeAway ? 0 : 1;
      for (let k = 0; k < next.length; k++) if (found[k]) next[k] = value;
      if (this.mask.replace(next)) this.edited();
    }, p["mask-error"]);
  }

  async explain(place, traced) {
    if (!this.inside(place)) return;
    if (this.view.versions.fill === null) {
      toast("Nothing is filled yet: mark what is missing, and press Fill.");
      return;
    }
    const filled = this.view.filled.get(place[0])?.[place[1] * this.info.width + place[2]];
    if (!filled) {
      toast("This pixel is known. Click one that was filled in.");
      return;
    }
    const [page, row, column] = place;
    this.asked = place;
    this.view.redrawCursor();
    this.asking = true;
    await speakError(() =>
      request("POST", `${this.path}/explain`, { body: { page, row, column, traced } }),
    this.parts["explain-error"]);
  }

  showExplained() {
    const { explained, result } = this.state;
    const p = this.parts;
    p.explained.hidden = !explained.version;
    if (!explained.version) {
      if (this.view.overlay === "weights" || this.view.overlay === "kernel") this.setOverlay("");
      this.asked = null;
      return;
    }
    const [page, row, column] = explained.at;
    this.asked = explained.at;
    const where = this.info.pages > 1 ? `page ${page + 1}, ` : "";
    p["explained-title"].textContent = `What ${where}row ${row}, column ${column} is made of`;
    const what = explained.traced || !result.refined ? "" : " This explains the exact fill, before it was refined.";
    p["explained-text"].textContent =
      `A weighted sum of known pixels; half of the weight lies within ${number(explained.radius, 2)} pixels.${what}`;
    p.trace.hidden = !result.refined || explained.traced;
    p.largest.replaceChildren(...explained.largest.map(({ at, weight, value }) =>
      tableRow([`${at[1]}, ${at[2]}`, number(value, 4), number(weight, 3)])));
    this.drawMap(p["weights-map"], "weights");
    this.drawMap(p["kernel-map"], "kernel");
    // In one column the picture, which people look at, would be scrolled away.
    if (this.asking && innerWidth > 820) p.explained.scrollIntoView({ block: "nearest" });
    this.asking = false;
    for (const name of ["weights", "kernel"]) this.enableOverlay(name, true);
    if (this.view.overlay === "weights" || this.view.overlay === "kernel") this.setOverlay(this.view.overlay);
  }

  /** The part of a layer around the explained pixel, enlarged. */
  async drawMap(canvas, layer) {
    const { explained } = this.state;
    const [page, row, column] = explained.at;
    const side = Math.min(512, Math.max(24, 2 ** Math.ceil(Math.log2(4 * explained.radius + 8))));
    const context = canvas.getContext("2d");
    const scale = canvas.width / side;
    const left = column - side / 2;
    const top = row - side / 2;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = scale < 1;
    for (let r = Math.max(0, top >> 9); r <= (top + side) >> 9; r++) {
      for (let c = Math.max(0, left >> 9); c <= (left + side) >> 9; c++) {
        if (r * 512 >= this.info.height || c * 512 >= this.info.width) continue;
        const address = this.view.address(layer, explained.version, page, 0, r, c);
        const answer = await fetch(new URL(address, document.baseURI));
        if (!answer.ok || this.explainedVersion !== explained.version) return;
        const bitmap = await createImageBitmap(await answer.blob());
        context.drawImage(bitmap, (c * 512 - left) * scale, (r * 512 - top) * scale,
          bitmap.width * scale, bitmap.height * scale);
        bitmap.close();
      }
    }
    context.lineWidth = 2;
    context.strokeStyle = "#00a35c";
    context.strokeRect((column - left) * scale - 2, (row - top) * scale - 2, scale + 4, scale + 4);
  }

  // --- what is under the pointer ---

  hover(event) {
    const place = this.place(this.pointer);
    if (!this.inside(place)) {
      this.hideTip();
      this.parts.readout.textContent = "";
      return;
    }
    const stage = this.parts.stage.getBoundingClientRect();
    this.tipAt = [event.clientX - stage.left, event.clientY - stage.top];
    this.read(place);
  }

  /** Ask for a pixel; of many while an answer is awaited, only for the last. */
  async read(place, spoken = false) {
    this.wanted = place;
    if (this.reading) return;
    this.reading = true;
    while (this.wanted) {
      const [page, row, column] = this.wanted;
      this.wanted = null;
      const pixel = await request("GET", `${this.path}/pixel`, { query: { page, row, column } })
        .catch(() => null);
      if (pixel && !this.closed) this.showPixel([page, row, column], pixel, spoken);
    }
    this.reading = false;
  }

  showPixel([, row, column], pixel, spoken) {
    const marked = this.mask.data?.[row * this.info.width + column];
    const lines = [`row ${row}, column ${column}`];
    if (pixel.filled) {
      lines.push(`filled: ${number(pixel.value)}`);
      if (pixel.std) lines.push(`std: ${number(pixel.std, 3)}`);
      if (pixel.lower) {
        const level = Math.round(100 * this.state.result.level);
        const ranges = pixel.lower.map((low, k) => `${number(low, 3)} to ${number(pixel.upper[k], 3)}`);
        lines.push(`${level} %: ${ranges.join("; ")}`);
      }
      if (pixel.outside[0]) lines.push("out of reach: a constant");
    } else lines.push(marked ? "marked as missing" : `known: ${number(pixel.value)}`);
    const text = lines.join(" · ");
    setText(this.parts.readout, text);
    if (spoken) this.parts.spoken.textContent = text;
    const show = pixel.filled && this.pointer && !this.drawing.active;
    this.parts.tip.hidden = !show;
    if (!show) return;
    const { tip, stage } = this.parts;
    tip.textContent = lines.slice(1).join("\n");
    const [x, y] = this.tipAt;
    tip.style.left = `${Math.max(0, Math.min(x + 16, stage.clientWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${y + 20 + tip.offsetHeight > stage.clientHeight ? y - tip.offsetHeight - 12 : y + 20}px`;
  }

  hideTip() {
    this.wanted = null;
    this.parts.tip.hidden = true;
  }

  preview(context) {
    this.drawing.draw(context, this.view, this.keyboard ?? this.pointer);
    const { view } = this;
    if (this.asked && this.asked[0] === this.page) {
      const [x, y] = view.toScreen(this.asked[2] + 0.5, this.asked[1] + 0.5);
      const radius = Math.max(4 * view.ratio, 0.7 * view.scale);
      view.outline(context, () => context.arc(x, y, radius, 0, 2 * Math.PI));
    }
    if (this.keyboard) {
      const [x, y] = view.toScreen(...this.keyboard);
      const arm = 9 * view.ratio;
      view.outline(context, () => {
        context.moveTo(x - arm, y);
        context.lineTo(x + arm, y);
        context.moveTo(x, y - arm);
        context.lineTo(x, y + arm);
      });
    }
  }

  moved() {
    setText(this.parts.zoom, `${number(100 * this.view.scale, 3)} %`);
  }

  /** A key that is meant for this view; true if it was used. */
  key(event) {
    const { key, shiftKey } = event;
    const control = event.ctrlKey || event.metaKey;
    const lower = key.toLowerCase();
    if (control) {
      if (lower === "z") return this[shiftKey ? "redo" : "undo"](), true;
      if (lower === "y") return this.redo(), true;
      if (key === "Enter") return this.fill(), true;
      return false;
    }
    if (event.altKey && key !== "Alt") return false;
    const onStage = document.activeElement === this.parts.stage;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    if (step && onStage) return this.step(step, shiftKey ? 10 : 1), true;
    if (onStage && (key === " " || key === "Enter")) return this.press(key), true;
    if (key === "Escape") {
      if (this.drawing.cancel()) return true;
      if (this.state.stage) return this.cancel(), true;
      return false;
    }
    if (key === "PageUp" || key === "PageDown") {
      if (this.info.pages < 2) return false;
      return this.showPage(this.page + (key === "PageUp" ? -1 : 1)), true;
    }
    const tool = Object.keys(TOOLS).find((name) => TOOLS[name].key === lower);
    if (tool) return this.setTool(tool), true;
    const actions = {
      "[": () => this.setBrush(this.brushSize / 1.2 - 0.5),
      "]": () => this.setBrush(this.brushSize * 1.2 + 0.5),
      f: () => this.fill(),
      m: () => this.toggleMask(),
      x: () => this.slideTo([this.view.split > 0 ? 0 : this.info.width]),
      u: () => this.setOverlay(this.view.overlay === "std" || !this.parts.look.querySelector('input[value="std"]:enabled') ? "" : "std"),
      "+": () => this.view.zoom(1.5),
      "=": () => this.view.zoom(1.5),
      "-": () => this.view.zoom(1 / 1.5),
      0: () => this.view.fit(),
      1: () => this.actualSize(),
    };
    if (!actions[lower]) return false;
    actions[lower]();
    return true;
  }

  step([dx, dy], pixels) {
    const { info, view } = this;
    const [x, y] = this.keyboard ?? view.toImage(view.stage.width / 2, view.stage.height / 2);
    const within = (value, limit) => Math.min(Math.max(Math.floor(value), 0), limit - 1) + 0.5;
    this.keyboard = [within(x + dx * pixels, info.width), within(y + dy * pixels, info.height)];
    this.pointer = null;
    this.hideTip();
    const [sx, sy] = view.toScreen(...this.keyboard);
    const { width, height } = view.stage;
    if (sx < 0 || sy < 0 || sx > width || sy > height) view.pan(width / 2 - sx, height / 2 - sy);
    if (this.drawing.active) this.drawing.move(this.keyboard);
    this.read(this.place(this.keyboard), true);
    view.redrawCursor();
  }

  /** Space begins with the tool, or ends with it; Enter ends it. */
  press(key) {
    if (!this.keyboard) this.step([0, 0], 0);
    const point = this.keyboard;
    const { tool, drawing } = this;
    if (tool === "inspect") this.explain(this.place(point), false);
    else if (tool === "wand") this.selectLike(point, this.subtract);
    else if (tool === "polygon" && key === "Enter") drawing.finish();
    else if (tool === "polygon" || !drawing.active) {
      if (this.mask.data) drawing.down(point, {});
    } else drawing.finish(tool === "rectangle" ? point : undefined);
  }
}
