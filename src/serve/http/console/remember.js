// What this page has seen of the sources since it was opened: how fast each one comes on.

/** Rates are of this long. */
const WITHIN_MS = 30_000;

const seen = new Map();

/** Takes account of what the daemon says of its sources now. */
export function remember(sources) {
  const at = Date.now();
  for (const { name, applied } of sources) {
    const samples = seen.get(name) ?? [];
    const last = samples.at(-1);
    // A source that was reset begins again.
    const kept = last && Number(applied) < last.applied ? [] : samples.filter((sample) => at - sample.at <= WITHIN_MS);
    seen.set(name, [...kept, { at, applied: Number(applied) }]);
  }
}

/** Sequences a second; none before two answers came. */
export function rateOf(source) {
  const samples = seen.get(source) ?? [];
  const [first, last] = [samples[0], samples.at(-1)];
  return samples.length < 2 || last.at === first.at
    ? null
    : ((last.applied - first.applied) * 1000) / (last.at - first.at);
}
