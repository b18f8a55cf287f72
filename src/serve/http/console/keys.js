// The keyboard: shortcuts, and the dialog that lists them.

import { el, show } from "./dom.js";

const SETTING = "readside.keys";
const GOES = {
  o: ["overview", "#/"],
  g: ["graph", "#/graph"],
  p: ["parked events", "#/parked"],
  s: ["SQL", "#/sql"],
  f: ["search", "#/search"],
  h: ["history", "#/history"],
};

let isAfterG = false;

/** `again` asks the daemon at once. */
export function listen(again) {
  document.getElementById("help-button").onclick = help;
  // A link to #main would be taken for a page.
  document.getElementById("skip").onclick = (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  };
  document.addEventListener("keydown", (event) => {
    const isTyped = event.target.closest("input, textarea, select, [contenteditable]");
    if (isTyped || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || !areOn())
      return;
    if (press(event.key, again)) event.preventDefault();
  });
}

function press(key, again) {
  const goes = isAfterG && GOES[key];
  isAfterG = !isAfterG && key === "g";
  if (goes) location.hash = goes[1];
  else if (key === "?") help();
  else if (key === "r") again();
  else if (key === "/") document.querySelector("main input, main textarea, main select")?.focus();
  else return isAfterG;
  return true;
}

function areOn() {
  return localStorage.getItem(SETTING) !== "off";
}

function help() {
  const dialog = el("dialog", { "aria-labelledby": "keys-title", class: "keys" });
  const row = (keys, what) =>
    el(
      "tr",
      {},
      el(
        "th",
        { scope: "row" },
        keys.map((key, place) => [place > 0 && " then ", el("kbd", {}, key)]),
      ),
      el("td", {}, what),
    );
  const rows = [
    ...Object.entries(GOES).map(([key, [name]]) => row(["g", key], `go to ${name}`)),
    row(["/"], "go to the first field of the page"),
    row(["r"], "ask the daemon now"),
    row(["?"], "show this"),
    row(["Esc"], "close a dialog"),
    row(["Ctrl+Enter"], "in the SQL field: run it"),
  ];
  const onchange = (event) => localStorage.setItem(SETTING, event.target.checked ? "on" : "off");
  show(
    dialog,
    el("h2", { id: "keys-title" }, "Keyboard"),
    el("table", {}, el("caption", { class: "unseen" }, "Shortcuts"), el("tbody", {}, rows)),
    el("p", {}, "Tab goes through everything; no shortcut counts while a field is typed into."),
    el(
      "p",
      {},
      el(
        "label",
        {},
        el("input", { type: "checkbox", checked: areOn(), onchange }),
        " Single keys are shortcuts in this browser",
      ),
    ),
    el("p", { class: "buttons" }, el("button", { type: "button", onclick: () => dialog.close() }, "Close")),
  );
  open(dialog);
}

/** Shows a dialog until it is closed, and gives the focus back then. */
export function open(dialog) {
  const before = document.activeElement;
  dialog.onclose = () => {
    dialog.remove();
    before?.focus?.();
  };
  document.body.append(dialog);
  dialog.showModal();
}
