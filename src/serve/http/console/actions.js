// Decisions: each is told in words, confirmed in a dialog, and answered as the daemon words it.

import { el, show } from "./dom.js";
import { Unreachable, post } from "./api.js";
import { curlPost } from "./curl.js";
import { DECISIONS, text } from "./decisions.js";
import { open } from "./keys.js";
import { copy, facts, problem } from "./parts.js";

const NAME = "readside.actor";

/** A button that asks for confirmation. `given` are members of the body that are decided already, and `what` of them is told. */
export function button(kind, name, done, { given = {}, told, label } = {}) {
  const action = DECISIONS[kind];
  const onclick = () => confirm(action, name, given, told, done);
  return el(
    "button",
    { type: "button", class: action.isGrave && "grave", "aria-haspopup": "dialog", "data-key": `do ${kind}`, onclick },
    `${label ?? action.label}…`,
  );
}

function confirm(action, name, given, told, done) {
  const fields = [...(action.fields ?? [])];
  if (!action.isAnonymous)
    fields.push(text("actor", "Who decides", "kept in the history"), {
      ...text("reason", "Why", "kept in the history"),
      isNeeded: action.needsReason,
    });
  const title = name ? `${action.label}: ${name}` : action.label;
  const dialog = el("dialog", { "aria-labelledby": "do-title", "aria-describedby": "do-what" });
  const form = el("form", { method: "dialog" });
  const body = () => ({ ...given, ...written(form, fields) });
  const result = el("div", { class: "result", role: "status" });
  const yes = el("button", { type: "submit", class: action.isGrave ? "grave" : "first" }, action.label);
  form.append(
    el("h2", { id: "do-title" }, title),
    el("p", { id: "do-what" }, action.what),
    told ? el("p", { class: "words" }, told) : "",
    ...fields.map(field),
    result,
    el(
      "p",
      { class: "buttons" },
      yes,
      el("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
      copy("Copy as curl", () => curlPost(action.to(name), body())),
    ),
  );
  form.onsubmit = async (event) => {
    event.preventDefault();
    const asked = body();
    if (asked.actor) localStorage.setItem(NAME, asked.actor);
    [yes.disabled, yes.textContent] = [true, "Waiting for the daemon…"];
    await askFor(action.to(name), asked, result);
    yes.remove();
    form.querySelector(".buttons button").textContent = "Close";
    form.querySelector(".buttons button").focus();
    done();
  };
  dialog.append(form);
  open(dialog);
}

function field({ member, label, hint, type, isNeeded }) {
  const input = el("input", {
    type,
    name: member,
    id: `do-${member}`,
    required: isNeeded,
    "aria-describedby": hint && `do-${member}-hint`,
    autocomplete: "off",
  });
  if (member === "actor") input.value = localStorage.getItem(NAME) ?? "";
  const name = el("label", { for: `do-${member}` }, label, isNeeded && " (needed)");
  if (type === "checkbox") return el("p", { class: "field" }, input, " ", name);
  return el(
    "p",
    { class: "field" },
    name,
    input,
    hint && el("span", { class: "aside", id: `do-${member}-hint` }, hint),
  );
}

/** The members that are filled in. */
function written(form, fields) {
  const values = fields.map(({ member, type }) => {
    const input = form.elements.namedItem(member);
    return [member, type === "checkbox" ? input.checked || null : input.value.trim() || null];
  });
  return Object.fromEntries(values.filter(([, value]) => value !== null));
}

async function askFor(to, body, result) {
  try {
    show(result, outcome(await post(to, body)));
  } catch (error) {
    if (error instanceof Unreachable)
      show(
        result,
        problem(new Error("The daemon did not answer. Whether it has done this is not known: look at the history.")),
      );
    else show(result, problem(error));
  }
}

/** What the daemon answered: a sentence, what a reload changes, or what a verification found. */
function outcome(answer) {
  if (answer.detail) return el("p", { class: "note good words" }, answer.detail);
  if (answer.builds) {
    const built = answer.builds.map((names) => el("li", {}, `built together: ${names.join(", ")}`));
    const changed = answer.changes.map(({ kind, name, change, detail }) =>
      el("li", {}, `${kind} ${name}: ${change}${detail ? `: ${detail}` : ""}`),
    );
    const waiting = answer.waits.map(({ projections, unlessEqual, breaking }) => {
      const unless = unlessEqual ? ", unless their rows are the same" : "";
      const allowed = breaking ? ", and whoever promotes them allows that readers may miss something" : "";
      return el("li", {}, `built, these wait to be promoted${unless}${allowed}: ${projections.join(", ")}`);
    });
    return el(
      "div",
      { class: "note good" },
      el("ul", {}, built, waiting, changed),
      built.length + changed.length === 0 && "Nothing changes.",
    );
  }
  const { result, ...rest } = answer;
  const entries = Object.entries(rest).map(([name, value]) => [
    name,
    typeof value === "object" ? JSON.stringify(value) : value,
  ]);
  return el("div", { class: `note ${result === "equal" ? "good" : "busy"}` }, el("strong", {}, result), facts(entries));
}
