// The page: open files as tabs, one of them shown.

import { Failure, listen, request, sentence } from "./api.js";
import { ImageEditor } from "./images.js";
import { ScreenView } from "./screens.js";
import { TableView } from "./tables.js";
import { offerTable, parts, showTemplate, speakError, toast } from "./ui.js";

const page = parts(document.body);
const states = new Map(); // id -> the state of a document
const views = { image: ImageEditor, table: TableView, screen: ScreenView };
let shown = null; // { id, key, view }
let session = { formats: {} };

// --- which document is shown: the part of the address after # ---

const current = () => /^#\/d\/(\w+)$/.exec(location.hash)?.[1] ?? null;

function show() {
  const state = states.get(current());
  const key = !state ? "welcome" : state.info.warnings ? state.kind : "waiting";
  if (shown && shown.id === (state?.id ?? null) && shown.key === key) {
    shown.view?.update?.(state);
  } else {
    shown?.view?.close?.();
    const main = page.main;
    main.replaceChildren();
    // What had the focus is gone: the keyboard goes on at the new content.
    if (shown && document.activeElement === document.body) main.focus({ preventScroll: true });
    const view = key === "welcome" ? new Welcome(main) : key === "waiting" ? new Waiting(main)
      : new views[state.kind](main, state, session.formats.table);
    shown = { id: state?.id ?? null, key, view };
    view.update?.(state);
  }
  document.title = state ? `${state.name} – ntkfill` : "ntkfill";
  tabs();
}

function tabs() {
  const items = [...states.values()].map((state) => {
    const item = document.createElement("li");
    item.dataset.id = state.id;
    const link = document.createElement("a");
    link.href = `#/d/${state.id}`;
    link.textContent = state.name;
    if (state.id === current()) {
      item.className = "current";
      link.setAttribute("aria-current", "page");
    }
    const close = document.createElement("button");
    close.type = "button";
    close.className = "icon";
    close.setAttribute("aria-label", `Close ${state.name}`);
    close.innerHTML = '<svg><use href="#i-close"/></svg>';
    close.addEventListener("click", () => closeDocument(state.id));
    item.append(link, close);
    return item;
  });
  const key = JSON.stringify([...states.values()].map((s) => [s.id, s.name, s.id === current()]));
  if (page.tabs.dataset.key === key) return;
  page.tabs.dataset.key = key;
  const held = page.tabs.contains(document.activeElement) ? document.activeElement : null;
  page.tabs.replaceChildren(...items);
  if (held) {
    const same = items.find(({ dataset }) => dataset.id === held.closest("li").dataset.id);
    (same?.querySelector(held.tagName) ?? page.main).focus({ preventScroll: true });
  }
  page.tabs.querySelector(".current")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

class Welcome {
  constructor(main) {
    const here = showTemplate(main, "welcome");
    this.error = here.error;
    const formats = Object.values(session.formats).flat();
    here.formats.textContent = [...new Set(formats)].join(" ");
    here.choose.addEventListener("click", () => page.file.click());
    for (const card of main.querySelectorAll("[data-example]")) {
      card.addEventListener("click", () => speakError(async () => {
        open(await request("POST", `examples/${card.dataset.example}`));
      }, here.error));
    }
  }
}

class Waiting {
  constructor(main) {
    this.parts = showTemplate(main, "waiting");
    this.parts.close.addEventListener("click", () => closeDocument(current()));
  }

  update(state) {
    const { title, text, progress, error } = this.parts;
    title.textContent = state.name;
    text.textContent = state.stage ? "Reading the file…" : "";
    progress.hidden = !state.stage;
    error.hidden = !state.error;
    error.textContent = sentence(state.error);
    if (!state.stage) offerTable(this.parts["as-table"], state, session.formats.table ?? [], error);
  }
}

function open(state) {
  if (!states.has(state.id)) states.set(state.id, state); // an event may have been faster
  location.hash = `#/d/${state.id}`;
}

async function closeDocument(id) {
  await speakError(() => request("DELETE", `documents/${id}`));
  forget(id);
}

function forget(id) {
  states.delete(id);
  if (current() === id) location.hash = "#/";
  else show();
}

async function openFiles(files) {
  for (const file of files) {
    const opening = toast(`Opening ${file.name}…`);
    await speakError(async () => {
      if (file.size > session.limit) {
        throw new Failure(`${file.name} is too large for the memory of this machine.`);
      }
      open(await request("POST", "documents", { body: file, query: { name: file.name } }));
    }, shown?.view?.error ?? null);
    opening.remove();
  }
}

// --- what belongs to the whole page ---

page.open.addEventListener("click", () => page.file.click());
page.file.addEventListener("change", () => {
  openFiles([...page.file.files]);
  page.file.value = "";
});
addEventListener("dragover", (event) => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  page.drop.hidden = false;
});
addEventListener("dragleave", (event) => { if (!event.relatedTarget) page.drop.hidden = true; });
addEventListener("drop", (event) => {
  page.drop.hidden = true;
  if (!event.dataTransfer?.files.length) return;
  event.preventDefault();
  openFiles([...event.dataTransfer.files]);
});
addEventListener("paste", (event) => {
  if (event.clipboardData?.files.length) openFiles([...event.clipboardData.files]);
});
addEventListener("hashchange", show);
page.skip.addEventListener("click", (event) => {
  event.preventDefault(); // the part after # says which document is shown
  page.main.focus();
});

const themes = ["auto", "light", "dark"];
function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  page.theme.setAttribute("aria-label", `Colours: ${theme}`);
  page.theme.title = `Colours: ${theme}`;
  localStorage.setItem("theme", theme);
}
page.theme.addEventListener("click", () => {
  const now = localStorage.getItem("theme") ?? "auto";
  setTheme(themes[(themes.indexOf(now) + 1) % themes.length]);
});
setTheme(localStorage.getItem("theme") ?? "auto");

page.letters.checked = localStorage.getItem("letters") !== "off";
page.letters.addEventListener("change", () =>
  localStorage.setItem("letters", page.letters.checked ? "on" : "off"));
function showHelp() {
  page.keys.replaceChildren(...Object.entries(shown?.view?.keys ?? { "?": "This list" }).map(([keys, what]) => {
    const pair = document.createElement("div");
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = what;
    keys.split(" ").forEach((key, k) => {
      const one = document.createElement("kbd");
      one.textContent = key;
      text.append(k ? " " : "", one);
    });
    pair.append(term, text);
    return pair;
  }));
  page["help-dialog"].showModal();
}
page.help.addEventListener("click", showHelp);
addEventListener("keydown", (event) => {
  const field = event.target.closest?.("input, select, textarea, dialog");
  const typed = field && !["checkbox", "radio", "range", "file"].includes(field.type);
  if (typed || event.defaultPrevented || page["help-dialog"].open) return;
  const letter = event.key.length === 1 && !event.ctrlKey && !event.metaKey;
  if (letter && localStorage.getItem("letters") === "off") return;
  if (event.key === "?") showHelp();
  else if (!shown?.view?.key?.(event)) return;
  event.preventDefault();
});

listen((state) => {
  page.offline.hidden = true;
  if (!state.id) return;
  if (!state.kind) forget(state.id);
  else {
    states.set(state.id, state);
    if (state.id === current()) show();
    else tabs();
  }
}, () => { page.offline.hidden = false; });

await speakError(async () => {
  session = await request("GET", "session");
  for (const state of session.documents) states.set(state.id, state);
  if (!location.hash && session.documents.length) location.hash = `#/d/${session.documents[0].id}`;
});
show();
