// The sign of faults, for readers who do not tell its colour from others.

import { svg } from "./dom.js";

/** The outline, in a box of 12 by 16. */
export const BOLT = "M7 0L1 9h4l-1 7 7-10H7l2-6z";

export function bolt() {
  return svg("svg", { class: "bolt", viewBox: "0 0 12 16", "aria-hidden": "true" }, svg("path", { d: BOLT }));
}
