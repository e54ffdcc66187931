// Small things that all views use.

import { Failure, request, sentence } from "./api.js";

/** The elements below `root` by the name in `data-part`. */
export function parts(root) {
  return Object.fromEntries(
    [...root.querySelectorAll("[data-part]")].map((element) => [element.dataset.part, element]));
}

/** A message that goes away by itself, or is removed before. */
export function toast(text) {
  const area = document.querySelector(".toasts");
  const message = document.createElement("div");
  message.className = "toast";
  message.textContent = text;
  area.append(message);
  setTimeout(() => message.remove(), 4000 + 40 * text.length);
  return message;
}

/** Set a text where it has changed: the same text set again lets the whole page be laid out. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Run something; what goes wrong is said in `place`, or else in a toast. */
export async function speakError(work, place = null) {
  if (place) {
    place.hidden = true;
    delete place.dataset.said;
  }
  try {
    return await work();
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    const text = error instanceof Failure ? error.message : `A fault of this page: ${error.message}`;
    if (!(error instanceof Failure)) console.error(error);
    if (place) {
      place.textContent = text;
      place.hidden = false;
    } else toast(text);
    return undefined;
  }
}

const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 6, useGrouping: false });

/** A number with as many digits as are of use. */
export function number(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (Array.isArray(value)) return value.map((one) => number(one, digits)).join(", ");
  if (typeof value === "boolean") return value ? "1" : "0";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  return plain.format(Number(value.toPrecision(digits)))
    .replace(/^-?0$/, () => value.toPrecision(digits));
}

export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  toast("Copied.");
}

/** A row of a table; the first cell is its header where `headed`. */
export function tableRow(cells, headed = false, kind = "td") {
  const row = document.createElement("tr");
  row.append(...cells.map((text, k) => {
    const cell = document.createElement(headed && !k ? "th" : kind);
    if (cell.tagName === "TH") cell.scope = kind === "th" ? "col" : "row";
    cell.textContent = text;
    return cell;
  }));
  return row;
}

/** Call `work` when a button is pressed, unless it is switched off: by an attribute that, other than
 * `disabled`, leaves it the focus. */
export function whenPressed(button, work) {
  button.addEventListener("click", () => {
    if (button.getAttribute("aria-disabled") !== "true") work();
  });
}

/** What all views show of a state: what runs, how far it is, what went wrong, the recipe. The
 * buttons in `starters` would end what runs, and are off until it is done. */
export function showWork(p, { stage, progress, error, recipe }, names, starters = []) {
  for (const name of starters) p[name].setAttribute("aria-disabled", String(Boolean(stage)));
  // Before it is hidden: the focus would be lost.
  if (!stage && document.activeElement === p.cancel) p.cancel.parentElement.firstElementChild.focus();
  p.cancel.hidden = p["progress-row"].hidden = !stage;
  setText(p["stage-name"], names[stage] ?? stage);
  if (progress > 0) p.progress.value = progress;
  else p.progress.removeAttribute("value");
  if (p.error.dataset.said !== error) { // what a request was refused for stays there
    p.error.dataset.said = error;
    p.error.hidden = !error;
    p.error.textContent = sentence(error);
  }
  p.recipe.hidden = !recipe.command;
  setText(p.command, recipe.command ?? "");
  setText(p.python, recipe.python ?? "");
}

/** Show a template, with those that it holds places for; its parts by name. */
export function showTemplate(main, name) {
  const content = (id) => document.getElementById(id).content.cloneNode(true);
  const view = content(name);
  for (const place of view.querySelectorAll("slot")) {
    place.replaceWith(content(place.dataset.template));
  }
  main.append(view);
  return parts(main);
}

/** A button that reads a screen again as a table, where its name allows that. */
export function offerTable(button, { id, kind, name }, formats, place) {
  button.hidden = kind !== "screen" || !formats.some((one) => name.toLowerCase().endsWith(one));
  button.onclick = () => speakError(
    () => request("PUT", `documents/${id}/kind`, { body: { kind: "table" } }), place);
}

/** Buttons that copy the recipe. */
export function listenToRecipe(p) {
  for (const button of p.recipe.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => copy(p[button.dataset.copy].textContent));
  }
}
