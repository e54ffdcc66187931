// The view of a drug screen: what was measured, evaluation, ranking.

import { download, request } from "./api.js";
import { counted, listenToRecipe, number, offerTable, showTemplate, showWork, speakError, tableRow, whenPressed } from "./ui.js";

const STAGES = { evaluating: "Evaluating", completing: "Completing", ranking: "Ranking" };
const STARTERS = ["complete", "evaluate", "rank", "rank-example"];
const SIDE = 8; // pixels of the canvas for one pair, at most

export class ScreenView {
  keys = { "← ↑ → ↓": "On the map: from pair to pair", "Home End": "First and last drug", Esc: "Cancel", "?": "This list" };

  constructor(main, state, formats) {
    const p = this.parts = showTemplate(main, "screen");
    const { info } = state;
    this.path = `documents/${state.id}`;
    p.title.textContent = state.name;
    p.facts.textContent = `${counted(info.cells, "cell")}, ${counted(info.drugs, "drug")}, ` +
      `${counted(info.genes, "gene")}; ${info.measured.toLocaleString("en")} of ` +
      `${counted(info.pairs, "pair")} were measured.`;
    p["rank-example"].hidden = !info.signature;
    p.report.href = `api/v1/${this.path}/report`;
    const click = (name, work) => whenPressed(p[name], work);
    click("complete", () => this.ask("complete", {}));
    click("evaluate", () => this.ask("evaluate", {}));
    click("rank", () => p.signature.click());
    click("rank-example", () => this.ask("rank"));
    click("cancel", () => speakError(() => request("DELETE", `${this.path}/work`), p.error));
    p.signature.addEventListener("change", () => {
      const [file] = p.signature.files;
      if (file) this.ask("rank", file, { name: file.name });
      p.signature.value = "";
    });
    for (const what of ["completed", "ranked"]) {
      click(`save-${what}`, () =>
        speakError(() => download(`${this.path}/files/${what}`), p[`${what}-error`]));
    }
    listenToRecipe(p);
    offerTable(p["as-table"], state, formats, p.error);
    this.draw();
  }

  ask(path, body, query) {
    return speakError(() =>
      request("POST", `${this.path}/${path}`, { body, query }), this.parts.error);
  }

  /** The map of what was measured; the pair under the pointer, or that of the keyboard, is named. */
  async draw() {
    const p = this.parts;
    const map = await speakError(() => request("GET", `${this.path}/availability`), p.error);
    if (!map) return;
    const canvas = p.map;
    const side = Math.max(1, Math.min(SIDE, Math.floor(8000 / map.drugs.length)));
    canvas.width = map.drugs.length * side;
    canvas.height = map.cells.length * side;
    canvas.style.maxWidth = `${2.5 * map.drugs.length}rem`; // few pairs are no posters
    canvas.setAttribute("aria-label", `What was measured: ${p.facts.textContent}`);
    const shown = () => { // the canvas lies in its box at the left and the top
      const box = canvas.getBoundingClientRect();
      return [box, side * Math.min(box.width / canvas.width, box.height / canvas.height)];
    };
    let at = [0, 0];
    const say = (row, column) => {
      if (!(map.cells[row] && map.drugs[column])) return;
      at = [row, column];
      const known = map.measured[row][column] === "1" ? "measured" : "not measured";
      p["map-text"].textContent = `${map.cells[row]}, ${map.drugs[column]}: ${known}`;
      const [, unit] = shown();
      const { style } = p["map-mark"];
      [style.left, style.top] = [`${column * unit}px`, `${row * unit}px`];
      style.width = style.height = `${Math.max(0, unit - 2)}px`;
      p["map-mark"].hidden = false;
    };
    const context = canvas.getContext("2d");
    const gap = side > 3 ? 1 : 0;
    map.measured.forEach((line, row) => [...line].forEach((one, column) => {
      context.fillStyle = one === "1" ? "#2f7fc4" : "#9aa3af33";
      context.fillRect(column * side, row * side, side - gap, side - gap);
    }));
    canvas.addEventListener("pointermove", (event) => {
      const [box, unit] = shown();
      say(Math.floor((event.clientY - box.top) / unit), Math.floor((event.clientX - box.left) / unit));
    });
    canvas.addEventListener("focus", () => say(...at));
    for (const kind of ["blur", "pointerleave"]) {
      canvas.addEventListener(kind, () => { p["map-mark"].hidden = true; });
    }
    canvas.addEventListener("keydown", (event) => {
      const [row, column] = at;
      const next = {
        ArrowUp: [row - 1, column], ArrowDown: [row + 1, column],
        ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
        Home: [row, 0], End: [row, map.drugs.length - 1],
      }[event.key];
      if (!next) return;
      event.preventDefault();
      say(...next);
    });
    canvas.tabIndex = 0; // not before it answers to keys
  }

  update(state) {
    const p = this.parts;
    const { result } = state;
    this.state = state;
    showWork(p, state, STAGES, STARTERS);
    const key = JSON.stringify(result);
    if (key === this.shown) return;
    this.shown = key;
    const { completion, evaluation, ranking } = result;
    for (const name of ["completion", "evaluation", "ranking"]) p[name].hidden = !result[name];
    if (completion) {
      p["completion-text"].textContent = `${completion.predicted.toLocaleString("en")} of ` +
        `${completion.conditions.toLocaleString("en")} profiles are predicted; ` +
        "the column source says which.";
    }
    if (evaluation) {
      p["evaluation-text"].textContent =
        `Means over ${evaluation.folds} held-out folds. Best: ${evaluation.best}.`;
      const [first] = Object.values(evaluation.scores);
      p["scores-head"].replaceChildren(tableRow(["method", ...Object.keys(first).map((one) => evaluation.labels[one])], false, "th"));
      p["scores-body"].replaceChildren(...Object.entries(evaluation.scores).map(([name, scores]) =>
        tableRow([name, ...Object.values(scores).map((one) => number(one, 3))], true)));
      p.report.hidden = !evaluation.report;
      p["no-report"].hidden = evaluation.report;
    }
    if (ranking) {
      const shown = ranking.drugs.length;
      p["ranking-text"].textContent = `${ranking.genes} genes of the signature are in the screen, ` +
        `${ranking.absent} are not.` + (shown < ranking.count
        ? ` The first ${shown} of ${counted(ranking.count, "drug")} are shown; the file has all.` : "");
      p.ranked.replaceChildren(...ranking.drugs.map((one) => tableRow(
        [one.drug, one.rank, number(one.cosine, 3), number(one.connectivity, 3), one.source], true)));
    }
  }

  key({ key }) {
    if (key !== "Escape" || !this.state.stage) return false;
    this.parts.cancel.click();
    return true;
  }
}
