// Icon of faults, so that they do not depend on their colour alone.

import { svg } from "./dom.js";

/** The path in a viewBox of 12 by 16; the ladder draws it inside its own SVG. */
export const BOLT = "M7 0L1 9h4l-1 7 7-10H7l2-6z";

export function bolt() {
  return svg("svg", { class: "bolt", viewBox: "0 0 12 16", "aria-hidden": "true" }, svg("path", { d: BOLT }));
}
