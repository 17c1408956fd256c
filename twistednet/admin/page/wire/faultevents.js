// Draws what a fault did: a box in the stream, and a note on the ladder.

import { BOLT, bolt } from "../lib/bolt.js";
import { safe } from "../lib/bytes.js";
import { h, svg } from "../lib/dom.js";
import { elapsed, plural } from "../lib/format.js";

const LINE_HEIGHT = 15;
/** Lines of one text on the ladder. Longer ones are cut there, since the stream shows them in full. */
const MAX_LINES = 3;
/** Pixels of the widest letter in the ladder's font, since SVG text does not wrap by itself. */
const LETTER_WIDTH = 6.9;

/** @param {import("../lib/api.js").FaultEvent} event @param {string} gap time since the entry before */
export function faultBox(event, gap) {
  return h("li", { class: "box fault" },
    h("p", { class: "box-top" }, h("span", { class: "side" }, bolt(), `fault ${safe(event.fault)}`),
      h("span", {}, safe(event.did)), h("span", { class: "muted" }, gap)),
    h("p", { class: "box-rule" }, h("code", {}, safe(event.rule)), h("span", { class: "muted" }, ` acted ${plural(event.count, "time")} so far`)));
}

/** @param {import("../lib/api.js").FaultEvent} event @param {number} left @param {number} top @param {number} width */
export function faultNote(event, left, top, width) {
  const x = left + 10;
  const letters = Math.floor((width - x - 30) / LETTER_WIDTH);
  const summary = `fault ${safe(event.fault)} · ${safe(event.did)}`;
  const rule = safe(event.rule);
  const count = `acted ${plural(event.count, "time")} so far`;
  const lines = [...wrapLines(summary, letters).map((text) => [text, "label"]), ...[...wrapLines(rule, letters), count].map((text) => [text, "faint"])];
  const height = lines.length * LINE_HEIGHT + 10;
  const element = svg("g", { class: "fault-event fault" },
    svg("title", {}, `${summary}; ${rule}; ${count}`),
    svg("text", { x: left - 8, y: top + 15, class: "time" }, elapsed(event.at)),
    svg("rect", { x, y: top, width: width - x - 1, height, rx: 4, class: "sheet" }),
    svg("path", { d: BOLT, transform: `translate(${x + 6} ${top + 5}) scale(0.8)`, class: "sign" }),
    lines.map(([text, kind], at) => svg("text", { x: x + 21, y: top + 15 + at * LINE_HEIGHT, class: kind }, text)));
  return { element, height: height + 20 };
}

/** Wrap a text into lines of this many letters, between words where possible. */
function wrapLines(text, letters) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    if (!last) lines[lines.length - 1] = word;
    else if (last.length + word.length < letters) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  const shown = lines.slice(0, MAX_LINES).map((line) => (line.length > letters ? `${line.slice(0, letters - 1)}…` : line));
  if (lines.length > MAX_LINES) shown[MAX_LINES - 1] = `${shown[MAX_LINES - 1].slice(0, letters - 2)} …`;
  return shown;
}
