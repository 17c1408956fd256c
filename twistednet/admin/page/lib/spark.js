// Sparkline: a small line chart of the last minute.

import { svg } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 28;

/** @param {(number | null)[]} values newest last; null where there is none
 * @param {number} slots values that fit the width @param {string} kind class that sets the colour @param {string} label */
export function sparkline(values, slots, kind, label) {
  const max = Math.max(...values.map((value) => value ?? 0), 1e-9);
  const x = (index) => ((slots - values.length + index) / (slots - 1)) * (WIDTH - 2) + 1;
  const y = (value) => HEIGHT - 2 - (value / max) * (HEIGHT - 5);
  let path = "";
  let isDrawing = false;
  values.forEach((value, index) => {
    if (value !== null) path += `${isDrawing ? "L" : "M"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    isDrawing = value !== null;
  });
  const points = values.flatMap((value, index) => {
    const isIsolated = value !== null && (values[index - 1] ?? null) === null && (values[index + 1] ?? null) === null;
    return isIsolated ? [svg("circle", { cx: x(index), cy: y(value), r: 1.6, class: `dot ${kind}` })] : [];
  });
  return svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label,
    preserveAspectRatio: "none" },
  svg("path", { d: `M1 ${HEIGHT - 2}H${WIDTH - 1}`, class: "base" }),
  path && svg("path", { d: path, class: `line ${kind}` }),
  points);
}
