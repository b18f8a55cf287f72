// Whether the daemon answers, and since when it does not. What was shown stays.

import { el, show } from "./dom.js";
import { age, time } from "./units.js";

const place = document.getElementById("connection");
const pulse = document.getElementById("pulse");
let answered = null;
let lost = null;

export function hasAnswered() {
  [answered, lost] = [new Date(), null];
  tell();
}

export function hasNotAnswered() {
  lost ??= new Date();
  tell();
}

// What is hidden from screen readers changes with every attempt, and they would say it each time.
function tell() {
  show(pulse, answered ? ["As of ", el("time", { datetime: answered.toISOString() }, time(answered))] : "Asking…");
  show(
    place,
    lost &&
      el(
        "p",
        { class: "note bad" },
        el("strong", {}, "The daemon does not answer"),
        ` since ${time(lost)}`,
        el("span", { "aria-hidden": "true" }, ` (${age(lost)})`),
        ". ",
        answered && `What is shown is of ${time(answered)}. `,
        "It is asked again until it does.",
      ),
  );
}
