// Numbers with their units, as people read them.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export function count(number) {
  return number === null || number === undefined
    ? "–"
    : typeof number === "number"
      ? whole.format(number)
      : String(number);
}

/** `1 event`, `12 events`. */
export function counted(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

export function bytes(number) {
  if (number === null || number === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let place = 0;
  while (number >= 1024 && place < units.length - 1) {
    number /= 1024;
    place += 1;
  }
  return `${place === 0 ? number : number.toFixed(number < 10 ? 1 : 0)} ${units[place]}`;
}

export function seconds(number) {
  if (number === null || number === undefined) return "unknown";
  if (number === 0) return "0 s";
  if (number < 1) return `${Math.max(1, Math.round(number * 1000))} ms`;
  if (number < 60) return `${number < 10 ? number.toFixed(1) : Math.round(number)} s`;
  if (number < 3600) return `${Math.floor(number / 60)} min ${Math.floor(number % 60)} s`;
  if (number < 86400) return `${Math.floor(number / 3600)} h ${Math.floor((number % 3600) / 60)} min`;
  return `${Math.floor(number / 86400)} d ${Math.floor((number % 86400) / 3600)} h`;
}

/** A share with as many digits as tell it from 100 %. */
export function percent(share) {
  const value = share * 100;
  if (share < 1 && value > 99.99) return "> 99.99 %";
  return `${Number(value.toFixed(value > 90 ? 2 : 1))} %`;
}

export function rate(perSecond) {
  if (perSecond === null || perSecond === undefined) return "–";
  return perSecond > 0 && perSecond < 10 ? perSecond.toFixed(1) : count(Math.round(perSecond));
}

/** The local time, with the date where it is another day. */
export function time(date) {
  const isToday = date.toDateString() === new Date().toDateString();
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
  const day = `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}-${String(date.getDate()).padStart(2, "0")}`;
  return isToday ? clock : `${day} ${clock}`;
}

/** How long ago that was. */
export function age(date) {
  return seconds(Math.max(0, (Date.now() - date.getTime()) / 1000));
}
