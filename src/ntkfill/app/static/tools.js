// What a pointer or the keyboard does to the mask. A tool gets points in the image's coordinates.

/** The tools by name; each is made anew for the page, `it` being the editor. */
export const TOOLS = {
  inspect: { key: "i", label: "Inspect", hint: "Click a filled pixel: what it is made of." },
  brush: { key: "b", label: "Brush", hint: "Paint over what is missing. Shift: a straight line." },
  eraser: { key: "e", label: "Eraser", hint: "Take marks away. Shift: a straight line." },
  rectangle: { key: "r", label: "Rectangle", hint: "From corner to corner. Alt: take away." },
  lasso: { key: "l", label: "Lasso", hint: "Draw around it. Alt: take away." },
  polygon: { key: "p", label: "Polygon", hint: "Click corner after corner; Enter or a double click closes. Alt: take away." },
  wand: { key: "w", label: "Colour range", hint: "Click a colour: what is like it. Alt: take away." },
  pan: { key: "h", label: "Move", hint: "Drag the picture; the wheel zooms." },
};

/** The shape that is being drawn. */
export class Drawing {
  constructor(editor) {
    this.editor = editor;
    this.reset();
  }

  reset() {
    this.points = [];
    this.active = false;
  }

  get value() {
    return this.erase ? 0 : 1;
  }

  get radius() {
    return this.editor.brushSize / 2;
  }

  down(point, { shiftKey, altKey, pressure = 0, pen = false }) {
    const { tool, mask } = this.editor;
    if (tool === "brush" || tool === "eraser") {
      this.active = true;
      this.erase = tool === "eraser" || altKey;
      mask.begin();
      const from = shiftKey && this.last ? this.last : point;
      this.dab(from, point, pen ? pressure : 0);
    } else if (tool === "rectangle" || tool === "lasso") {
      if (tool === "rectangle" && this.active) return this.finish(point); // by the keyboard
      this.active = true;
      this.erase = altKey || this.editor.subtract;
      this.points = [point, point];
    } else if (tool === "polygon") {
      this.erase = altKey || this.editor.subtract;
      this.active = true;
      this.points.push(point);
    }
    this.editor.view.redrawCursor();
    return undefined;
  }

  move(point, { pressure = 0, pen = false } = {}) {
    if (!this.active) return;
    const { tool } = this.editor;
    if (tool === "brush" || tool === "eraser") this.dab(this.last, point, pen ? pressure : 0);
    else if (tool === "rectangle") this.points[1] = point;
    else if (tool === "lasso") this.points.push(point);
    this.hover = point;
    this.editor.view.redrawCursor();
  }

  up(point) {
    const { tool } = this.editor;
    if (!this.active || tool === "polygon") return;
    this.finish(point);
  }

  dab(from, to, pressure) {
    const radius = this.radius * (pressure ? 0.3 + 1.4 * pressure : 1);
    this.editor.mask.stroke(...from, ...to, radius, this.value);
    this.editor.mask.flush();
    this.last = to;
  }

  /** Close the shape and mark its inside. */
  finish(point) {
    const { tool, mask } = this.editor;
    if (!this.active) return;
    if (tool !== "brush" && tool !== "eraser") {
      mask.begin();
      if (tool === "rectangle") {
        const [[x0, y0], [x1, y1]] = [this.points[0], point ?? this.points[1]];
        const whole = (a, b) => [Math.floor(Math.min(a, b)), Math.ceil(Math.max(a, b))];
        const [left, right] = whole(x0, x1);
        const [top, bottom] = whole(y0, y1);
        mask.rectangle(left, top, right, bottom, this.value);
      } else if (this.points.length > 2) mask.polygon(this.points, this.value);
    }
    this.reset();
    if (mask.end()) this.editor.edited();
    this.editor.view.redrawCursor();
  }

  cancel() {
    const wasActive = this.active;
    if (wasActive && this.editor.mask.runs) {
      if (this.editor.mask.end()) this.editor.mask.undo();
      this.editor.mask.undone = [];
    }
    this.reset();
    this.editor.view.redrawCursor();
    return wasActive;
  }

  /** The outline of what is drawn, and the size of the brush. */
  draw(context, view, pointer) {
    const { tool } = this.editor;
    if ((tool === "brush" || tool === "eraser") && pointer) {
      const [x, y] = view.toScreen(...pointer);
      const radius = Math.max(this.radius, 0.5) * view.scale;
      view.outline(context, () => context.arc(x, y, radius, 0, 2 * Math.PI));
    }
    if (tool === "rectangle" && this.active) {
      const whole = (a, b) => [Math.floor(Math.min(a, b)), Math.ceil(Math.max(a, b))];
      const [left, right] = whole(this.points[0][0], this.points[1][0]);
      const [top, bottom] = whole(this.points[0][1], this.points[1][1]);
      const [x0, y0] = view.toScreen(left, top);
      const [x1, y1] = view.toScreen(right, bottom);
      view.outline(context, () => context.rect(x0, y0, x1 - x0, y1 - y0));
    } else if (this.active && this.points.length) {
      const points = tool === "polygon" && pointer ? [...this.points, pointer] : this.points;
      view.outline(context, () => {
        points.forEach((point, k) => context[k ? "lineTo" : "moveTo"](...view.toScreen(...point)));
        if (tool === "lasso") context.closePath();
      });
    }
  }
}
