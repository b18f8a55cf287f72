// Whether a promise of freshness was kept over the last hour.

import { el } from "./dom.js";
import { percent, seconds } from "./units.js";

/** In which share of the time the promise was kept, and whether that is enough. */
export function promise({ slo, lastHour }) {
  if (!slo) return el("span", { class: "aside" }, "no promise");
  const promised = `${percent(slo.objective)} within ${seconds(slo.lagSeconds)}`;
  if (!lastHour?.observedSeconds) return [el("span", {}, "not measured yet"), el("div", { class: "aside" }, promised)];
  const kept = 1 - (lastHour.missedSeconds ?? 0) / lastHour.observedSeconds;
  const isKept = kept >= slo.objective;
  const over = lastHour.observedSeconds < 3300 ? ` over ${seconds(lastHour.observedSeconds)}` : "";
  return [
    el(
      "span",
      { class: `state ${isKept ? "good" : "bad"}` },
      el("span", { "aria-hidden": "true" }, isKept ? "✓" : "✕"),
      ` ${percent(kept)} ${isKept ? "kept" : "missed"}`,
    ),
    el("div", { class: "aside" }, promised + over),
  ];
}
