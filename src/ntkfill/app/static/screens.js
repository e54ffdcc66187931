// The view of a drug screen: what was measured, evaluation, ranking.

import { download, request } from "./api.js";
import { listenToRecipe, number, showTemplate, showWork, speakError, tableRow } from "./ui.js";

const STAGES = { evaluating: "Evaluating", completing: "Completing", ranking: "Ranking" };
const SIDE = 8; // pixels of the canvas for one pair, at most

export class ScreenView {
  keys = { Esc: "Cancel", "?": "This list" };

  constructor(main, state) {
    const p = this.parts = showTemplate(main, "screen");
    const { info } = state;
    this.path = `documents/${state.id}`;
    p.title.textContent = state.name;
    p.facts.textContent = `${info.cells} cells, ${info.drugs} drugs, ` +
      `${info.genes.toLocaleString("en")} genes; ${info.measured.toLocaleString("en")} of ` +
      `${info.pairs.toLocaleString("en")} pairs were measured.`;
    p["rank-example"].hidden = !info.signature;
    p.report.href = `api/v1/${this.path}/report`;
    const click = (name, work) => p[name].addEventListener("click", work);
    click("complete", () => this.ask("complete", {}));
    click("evaluate", () => this.ask("evaluate", {}));
    click("rank", () => p.signature.click());
    click("rank-example", () => this.ask("rank"));
    click("cancel", () => speakError(() => request("DELETE", `${this.path}/work`)));
    p.signature.addEventListener("change", () => {
      const [file] = p.signature.files;
      if (file) this.ask("rank", file, { name: file.name });
      p.signature.value = "";
    });
    for (const what of ["completed", "ranked"]) {
      click(`save-${what}`, () => speakError(() => download(`${this.path}/files/${what}`)));
    }
    listenToRecipe(p);
    this.draw();
  }

  ask(path, body, query) {
    return speakError(() =>
      request("POST", `${this.path}/${path}`, { body, query }), this.parts.error);
  }

  /** The map of what was measured; the pair under the pointer is named. */
  async draw() {
    const p = this.parts;
    const map = await speakError(() => request("GET", `${this.path}/availability`), p.error);
    if (!map) return;
    const canvas = p.map;
    const side = Math.max(1, Math.min(SIDE, Math.floor(8000 / map.drugs.length)));
    canvas.width = map.drugs.length * side;
    canvas.height = map.cells.length * side;
    canvas.setAttribute("aria-label", `What was measured: ${p.facts.textContent}`);
    const context = canvas.getContext("2d");
    const gap = side > 3 ? 1 : 0;
    map.measured.forEach((line, row) => [...line].forEach((one, column) => {
      context.fillStyle = one === "1" ? "#2f7fc4" : "#9aa3af55";
      context.fillRect(column * side, row * side, side - gap, side - gap);
    }));
    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect();
      const scale = Math.min(box.width / canvas.width, box.height / canvas.height);
      const column = Math.floor((event.clientX - box.left) / scale / side);
      const row = Math.floor((event.clientY - box.top) / scale / side);
      if (!(map.cells[row] && map.drugs[column])) return;
      const known = map.measured[row][column] === "1" ? "measured" : "not measured";
      p["map-text"].textContent = `${map.cells[row]}, ${map.drugs[column]}: ${known}`;
    });
  }

  update(state) {
    const p = this.parts;
    const { result } = state;
    this.state = state;
    showWork(p, state, STAGES);
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
      p["scores-head"].replaceChildren(tableRow(["method", ...Object.keys(first)], false, "th"));
      p["scores-body"].replaceChildren(...Object.entries(evaluation.scores).map(([name, scores]) =>
        tableRow([name, ...Object.values(scores).map((one) => number(one, 3))], true)));
      p.report.hidden = !evaluation.report;
    }
    if (ranking) {
      p["ranking-text"].textContent = `${ranking.genes} genes of the signature are in the screen, ` +
        `${ranking.absent} are not.`;
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
