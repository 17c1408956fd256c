// Formats numbers, sizes and times.

/** @param {number} count bytes */
export function size(count) {
  if (count < 1000) return `${count} B`;
  for (const [unit, factor] of /** @type {[string, number][]} */ ([["kB", 1e3], ["MB", 1e6], ["GB", 1e9]])) {
    if (count < factor * 1000 || unit === "GB") {
      const value = count / factor;
      return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
    }
  }
  return `${count} B`;
}

/** A duration. @param {number} seconds */
export function duration(seconds) {
  if (seconds < 0.001) return `${Math.max(0, Math.round(seconds * 1e6))} µs`;
  if (seconds < 1) return `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** An age in whole seconds, since decimals would change at every redraw. @param {number} seconds */
export function age(seconds) {
  return seconds < 1 ? "now" : duration(Math.floor(seconds)).replace(".00", "").replace(".0 ", " ");
}

/** A time since the start of a conversation. @param {number} seconds */
export function elapsed(seconds) {
  if (seconds < 1) return `${(seconds * 1000).toFixed(1)} ms`;
  return `${seconds.toFixed(seconds < 100 ? 3 : 0)} s`;
}

/** A number per second. @param {number} value */
export function rate(value) {
  return value >= 100 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
}

/** @param {number} count @param {string} one @param {string} [many] */
export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** The time of day. @param {number} unix seconds */
export function clock(unix) {
  return new Date(unix * 1000).toLocaleTimeString("en-GB");
}
