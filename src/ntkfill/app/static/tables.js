// The view of a table: its cells page by page, and the panel beside them.

import { download, request } from "./api.js";
import { counted, listenToRecipe, number, setText, showTemplate, showWork, speakError, tableRow, whenPressed } from "./ui.js";

const COUNT = 100;
const STAGES = { filling: "Filling", "error bars": "Error bars", scoring: "Scoring", opening: "Reading" };

const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

export class TableView {
  keys = { F: "Fill", Esc: "Cancel", "← ↑ → ↓": "From one filled cell to the next", "?": "This list" };

  constructor(main, state) {
    const p = this.parts = showTemplate(main, "table");
    this.state = state;
    this.path = `documents/${state.id}`;
    this.start = 0;
    p.title.textContent = state.name;
    p.format.replaceChildren(...[...new Set([state.info.suffix, ".csv", ".parquet", ".xlsx"])]
      .map((one, k) => new Option(`${one.slice(1).toUpperCase()}${k ? "" : ", as it came"}`, one)));
    const click = (name, work) => whenPressed(p[name], work);
    click("earlier", () => this.show(this.start - COUNT));
    click("later", () => this.show(this.start + COUNT));
    click("fill", () => this.ask("POST", "impute", {}));
    click("score", () => this.ask("POST", "score", {}));
    click("cancel", () => this.ask("DELETE", "work"));
    click("set-marks", () =>
      this.setMarks(p.marks.value.split(",").map((one) => one.trim()).filter(Boolean)));
    click("save", () => this.save("filled"));
    click("save-std", () => this.save("std"));
    listenToRecipe(p);
    for (const kind of ["pointerover", "focusin", "click"]) {
      p.grid.addEventListener(kind, (event) => this.look(event.target.closest("td.filled")));
    }
    p.grid.addEventListener("focusin", ({ target }) => this.stopAt(target.closest("td.filled")));
    p.grid.addEventListener("keydown", (event) => this.go(event));
  }

  close() {
    this.closed = true;
  }

  ask(method, path, body, place = this.parts.error) {
    return speakError(() => request(method, `${this.path}/${path}`, { body }), place);
  }

  setMarks(marks) {
    return this.ask("PUT", "marks", { marks }, this.parts["marks-error"]);
  }

  save(what) {
    return speakError(() =>
      download(`${this.path}/files/${what}`, { suffix: this.parts.format.value }), this.parts["save-error"]);
  }

  update(state) {
    const p = this.parts;
    const { info, result, explained } = state;
    const key = JSON.stringify([info.marks, result.version, result.stage]);
    this.state = state;
    if (key !== this.shownKey) {
      this.shownKey = key;
      this.describe(info);
      this.show(this.start);
    }
    showWork(p, state, STAGES, ["fill", "score"]);
    const done = Boolean(result.stage);
    p.save.disabled = !done;
    p["save-std"].disabled = p["cells-legend"].hidden = !result.level;
    p["cells-legend"].hidden = !result.level;
    const more = result.level ? "hover or focus one." : "error bars come next.";
    const line = done ? `${counted(result.filled, "entry", "entries")} filled; ${more}` : "";
    setText(p["done-line"], line);
    const said = [...info.warnings, ...(result.warnings ?? []), result.message];
    const notes = [...new Set(said.filter(Boolean))];
    p.notes.replaceChildren(...notes.map((textContent) => make("li", { textContent })));
    p.scores.hidden = !explained.score;
    if (explained.score) {
      p["scores-body"].replaceChildren(...Object.entries(explained.score.errors)
        .map(([name, error]) => tableRow([name, number(error, 3)], true)));
    }
  }

  describe(info) {
    const p = this.parts;
    const share = number((100 * info.missing) / Math.max(info.entries, 1), 2);
    p.count.textContent = `${info.missing.toLocaleString("en")} of ` +
      `${info.entries.toLocaleString("en")} entries are missing (${share}\u00a0%).`;
    const count = (type) => info.columns.filter((one) => one.type === type).length;
    const text = count("text") ? `, ${count("text")} of text, which stay as they are` : "";
    p.types.textContent = `${info.rows.toLocaleString("en")} rows; ${count("number")} columns of ` +
      `numbers${text}.`;
    p.marks.value = info.marks.join(", ");
    const held = p.codes.contains(document.activeElement);
    p.codes.replaceChildren(...info.columns.filter((one) => one.code !== null).map((one) => {
      const button = make("button", {
        type: "button", textContent: `${one.code} in ${one.name} looks like a gap: take it for one`,
      });
      button.addEventListener("click", () => this.setMarks([...info.marks, one.code]));
      return button;
    }));
    if (held) (p.codes.firstElementChild ?? p.marks).focus();
  }

  async show(start) {
    const { info } = this.state;
    const p = this.parts;
    this.start = Math.min(Math.max(0, start), Math.max(0, info.rows - 1));
    const query = { start: this.start, count: COUNT };
    const answer = await speakError(
      () => request("GET", `${this.path}/rows`, { query }), p["rows-error"]);
    if (!answer || this.closed || answer.start !== this.start) return;
    this.gaps = new Map(answer.gaps.map((gap) => [`${gap.row}/${gap.column}`, gap]));
    const table = document.createElement("table");
    const head = table.createTHead().insertRow();
    const labelled = info.columns[0].type === "labels";
    if (!labelled) head.append(make("th", { textContent: "row", scope: "col" }));
    for (const { name, type, missing } of info.columns) {
      const cell = make("th", { textContent: type === "labels" ? "row" : name, scope: "col" });
      const gaps = missing === 1 ? "1 gap" : `${missing} gaps`;
      const what = type === "number" && missing ? `number, ${gaps}` : type;
      cell.append(make("small", { textContent: what }));
      head.append(cell);
    }
    const body = table.createTBody();
    answer.cells.forEach((cells, k) => this.addRow(body, answer.start + k, cells, labelled));
    const held = document.activeElement.closest("td.filled")?.dataset;
    p.grid.replaceChildren(table);
    const cells = [...table.querySelectorAll("td.filled")];
    const same = held && cells.find(({ dataset }) =>
      dataset.row === held.row && dataset.column === held.column);
    this.stopAt(same ?? cells[0]);
    if (held) (same ?? p.grid).focus({ preventScroll: true });
    if (this.shownFrom !== answer.start) p.grid.scrollTop = 0;
    this.shownFrom = answer.start;
    const stop = answer.start + answer.cells.length;
    p.range.textContent =
      `Rows ${answer.start + 1} to ${stop} of ${info.rows.toLocaleString("en")}`;
    p.earlier.disabled = answer.start === 0;
    p.later.disabled = stop >= info.rows;
  }

  addRow(body, row, cells, labelled) {
    const line = body.insertRow();
    const header = make("th", { scope: "row", textContent: labelled ? cells[0] : row + 1 });
    line.append(header);
    this.state.info.columns.forEach(({ type, number: column, name }, place) => {
      if (type === "labels") return;
      const cell = line.insertCell();
      const gap = column === null ? undefined : this.gaps.get(`${row}/${column}`);
      cell.textContent = cells[place] ?? "";
      if (type === "text") cell.className = "text";
      if (!gap) return;
      cell.className = "gap";
      cell.title = "missing";
      if (gap.value === undefined || gap.value === null) return;
      cell.title = "";
      cell.textContent = number(gap.value, 4);
      cell.className = `filled${gap.std === undefined ? "" : ` sure-${this.sure(gap.std, column)}`}`;
      cell.tabIndex = -1;
      Object.assign(cell.dataset, { row, column, name, label: header.textContent });
    });
  }

  /** From 1, sure, to 5, hardly better than the column's spread. */
  sure(std, column) {
    const share = std / (this.state.result.spread[column] || 1);
    return 1 + [0.2, 0.4, 0.6, 0.8].filter((bound) => share > bound).length;
  }

  /** The one filled cell that Tab goes to; arrow keys go on from there. */
  stopAt(cell) {
    if (!cell) return;
    if (this.stop) this.stop.tabIndex = -1;
    cell.tabIndex = 0;
    this.stop = cell;
  }

  /** Arrow keys: to the next filled cell of all, or of the column. */
  go(event) {
    const from = event.target.closest("td.filled");
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!from || !step) return;
    event.preventDefault();
    const across = event.key === "ArrowLeft" || event.key === "ArrowRight";
    const cells = [...this.parts.grid.querySelectorAll(
      across ? "td.filled" : `td.filled[data-column="${from.dataset.column}"]`)];
    cells[cells.indexOf(from) + step]?.focus();
  }

  look(cell) {
    if (!cell || cell === this.looked) return;
    this.looked?.classList.remove("looked");
    cell.classList.add("looked");
    this.looked = cell;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.explain(cell), 200);
  }

  async explain(cell) {
    const p = this.parts;
    const [row, column] = [Number(cell.dataset.row), Number(cell.dataset.column)];
    const gap = this.gaps.get(`${row}/${column}`);
    const level = Math.round(100 * (this.state.result.level ?? 0));
    const far = gap.std === undefined ? "" : `, std ${number(gap.std, 3)}; ` +
      `${level} %: ${number(gap.lower, 3)} to ${number(gap.upper, 3)}`;
    p.cell.hidden = false;
    p["cell-text"].textContent =
      `${cell.dataset.name}, row ${cell.dataset.label}: ${number(gap.value)}${far}.`;
    const found = await this.ask("POST", "cell", { row, column }, p["cell-error"]);
    if (!found || this.looked !== cell) return;
    const { columns } = this.state.info;
    const names = Object.fromEntries(columns.map((one) => [one.number, one.name]));
    const labelled = columns[0].type === "labels";
    p.largest.replaceChildren(...found.largest.map((one) =>
      tableRow([`${labelled ? one.first : one.row + 1}, ${names[one.column]}`, number(one.value), number(one.weight, 3)])));
  }

  key({ key }) {
    if (key === "f") this.parts.fill.click();
    else if (key === "Escape" && this.state.stage) this.parts.cancel.click();
    else return false;
    return true;
  }
}
