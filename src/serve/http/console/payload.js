// A payload as JSON over several lines, with the place of a fault marked.

import { el } from "./dom.js";
import { Digits } from "./api.js";

/** `pointers` are JSON pointers of what is at fault. */
export function payload(value, pointers) {
  return el(
    "pre",
    { tabindex: "0", class: "payload", "aria-label": "The payload" },
    el("code", {}, written(value, "", "", new Set(pointers))),
  );
}

function written(value, pointer, indent, marked) {
  const text =
    value === null || typeof value !== "object" || value instanceof Digits
      ? [scalar(value)]
      : composite(value, pointer, indent, marked);
  return marked.has(pointer) && pointer !== "" ? [el("mark", { title: "here is the fault" }, text)] : text;
}

function scalar(value) {
  return value instanceof Digits ? value.text : JSON.stringify(value);
}

function composite(value, pointer, indent, marked) {
  const isList = Array.isArray(value);
  const entries = Object.entries(value);
  const [begin, end] = isList ? "[]" : "{}";
  const deeper = `${indent}  `;
  const lines = entries.flatMap(([name, member], place) => [
    `\n${deeper}`,
    !isList && `${JSON.stringify(name)}: `,
    written(member, `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, deeper, marked),
    place < entries.length - 1 && ",",
  ]);
  const missing = [...marked].filter(
    (one) => one.slice(0, one.lastIndexOf("/")) === pointer && one !== "" && !(unescaped(one) in value),
  );
  const absent = isList
    ? []
    : missing.map((one) => [
        `\n${deeper}`,
        el("mark", { class: "absent" }, `${JSON.stringify(unescaped(one))} is missing here`),
      ]);
  return lines.length + absent.length === 0 ? [begin, end] : [begin, lines, absent, `\n${indent}`, end];
}

function unescaped(pointer) {
  return pointer
    .slice(pointer.lastIndexOf("/") + 1)
    .replaceAll("~1", "/")
    .replaceAll("~0", "~");
}
