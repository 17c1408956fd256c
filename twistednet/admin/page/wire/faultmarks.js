// What a fault did, in its place: on the ladder and in the stream.

import { safe } from "../lib/bytes.js";
import { h, svg } from "../lib/dom.js";
import { counted, moment } from "../lib/format.js";

const LINE = 15;
/** Lines that one text may take on the ladder; the stream has all of it. */
const LINES = 3;
/** Width of one letter of the ladder's type, at most. */
const LETTER = 6.9;
const BOLT = "M7 0L1 9h4l-1 7 7-10H7l2-6z";

/** The sign of faults, for whoever does not tell colours apart. */
export function bolt() {
  return svg("svg", { class: "bolt", viewBox: "0 0 12 16", "aria-hidden": "true" }, svg("path", { d: BOLT }));
}

/** @param {import("../lib/api.js").Mark} mark @param {string} gap since what was before */
export function faultBox(mark, gap) {
  return h("li", { class: "box fault" },
    h("p", { class: "box-top" }, h("span", { class: "who" }, bolt(), `fault ${safe(mark.fault)}`),
      h("span", {}, safe(mark.did)), h("span", { class: "soft" }, gap)),
    h("p", { class: "box-rule" }, h("code", {}, safe(mark.rule)), h("span", { class: "soft" }, ` acted ${counted(mark.count, "time")} by then`)));
}

/** @param {import("../lib/api.js").Mark} mark @param {number} left @param {number} top @param {number} width */
export function faultMark(mark, left, top, width) {
  const x = left + 10;
  const room = Math.floor((width - x - 30) / LETTER);
  const said = `fault ${safe(mark.fault)} · ${safe(mark.did)}`;
  const rule = safe(mark.rule);
  const count = `acted ${counted(mark.count, "time")} by then`;
  const lines = [...wrapped(said, room).map((text) => [text, "label"]), ...[...wrapped(rule, room), count].map((text) => [text, "faint"])];
  const height = lines.length * LINE + 10;
  const element = svg("g", { class: "acted fault" },
    svg("title", {}, `${said}; ${rule}; ${count}`),
    svg("text", { x: left - 8, y: top + 15, class: "time" }, moment(mark.at)),
    svg("rect", { x, y: top, width: width - x - 1, height, rx: 4, class: "sheet" }),
    svg("path", { d: BOLT, transform: `translate(${x + 6} ${top + 5}) scale(0.8)`, class: "sign" }),
    lines.map(([text, kind], at) => svg("text", { x: x + 21, y: top + 15 + at * LINE, class: kind }, text)));
  return { element, height: height + 20 };
}

/** In lines of so many letters, cut between words where that is possible. */
function wrapped(text, room) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    if (!last) lines[lines.length - 1] = word;
    else if (last.length + word.length < room) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  const shown = lines.slice(0, LINES).map((line) => (line.length > room ? `${line.slice(0, room - 1)}…` : line));
  if (lines.length > LINES) shown[LINES - 1] = `${shown[LINES - 1].slice(0, room - 2)} …`;
  return shown;
}
