// Ladder diagram of a conversation: client on the left, server on the right, time downwards.

import { preview } from "../lib/bytes.js";
import { fill, h, svg } from "../lib/dom.js";
import { duration, elapsed, size } from "../lib/format.js";
import { faultNote } from "./faultevents.js";
import { steps } from "./steps.js";

const STEP_HEIGHT = 42;
const TOP = 48;
const SLOPE = 10;
const MAX_STEPS = 300;
/** A longer pause gets a mark, since the distance of two steps does not show their time. */
const SILENCE_SECONDS = 1;
/** Pixels of a letter on average, to cut labels that do not fit. */
const LETTER_WIDTH = 6.7;

/** A drawing that follows the width of its element. @param {(callback: string) => void} openSource */
export function ladder(openSource) {
  const element = h("div", { class: "ladder" });
  /** @type {import("../lib/api.js").Conversation | null} */
  let shown = null;
  let width = 0;
  const draw = () => {
    if (shown && width) fill(element, drawing(shown, width, openSource));
  };
  const observer = new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (Math.abs(now - width) < 2) return;
    width = now;
    draw();
  });
  observer.observe(element);
  return {
    element,
    show(conversation) {
      shown = conversation;
      draw();
    },
    stop: () => observer.disconnect(),
  };
}

function drawing(conversation, width, openSource) {
  const all = steps(conversation);
  const drawn = all.slice(-MAX_STEPS);
  const left = width < 420 ? 62 : 78;
  const right = width - (width < 420 ? 124 : 150);
  let y = TOP;
  const parts = [];
  if (drawn.length < all.length) {
    parts.push(svg("text", { x: left, y: y + 4, class: "faint" }, `${all.length - drawn.length} earlier steps`));
    y += 24;
  }
  let before = drawn[0]?.at ?? 0;
  for (const step of drawn) {
    const at = step.at ?? before;
    if (at - before >= SILENCE_SECONDS) {
      parts.push(silence(left, right, y, at - before));
      y += 34;
    }
    before = at;
    if (step.fault) {
      const fault = faultNote(step.fault, left, y - 4, width);
      parts.push(fault.element);
      y += fault.height;
      continue;
    }
    parts.push(step.kind === "local" ? localStep(step, left, right, y, openSource) : rung(step, left, right, y, openSource));
    y += STEP_HEIGHT;
  }
  if (conversation.reason === null) {
    parts.push(svg("text", { x: (left + right) / 2, y: y + 8, class: "faint middle" }, "open"));
    y += 22;
  }
  const height = y + 4;
  return svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group",
    "aria-label": `Ladder of ${conversation.service} #${conversation.id}, ${all.length} steps` },
  svg("path", { d: `M${left} 26V${height}`, class: "lifeline client" }),
  svg("path", { d: `M${right} 26V${height}`, class: "lifeline server" }),
  svg("text", { x: left, y: 14, class: "head client middle" }, "client"),
  svg("text", { x: right, y: 14, class: "head server middle" }, "server"),
  parts);
}

function silence(left, right, y, seconds) {
  const middle = (left + right) / 2;
  return svg("g", { class: "silence" },
    svg("path", { d: `M${left - 4} ${y + 2}h8m-8 4h8M${right - 4} ${y + 2}h8m-8 4h8` }),
    svg("text", { x: middle, y: y + 7, class: "faint middle" }, `${duration(seconds)} of silence`));
}

/** A callback that runs although nothing is on the wire. */
function localStep(step, left, right, y, openSource) {
  return svg("g", { class: "local" },
    svg("text", { x: left - 8, y: y + 4, class: "time" }, elapsed(step.at)),
    svg("path", { d: `M${right - 6} ${y}h12`, class: "end" }),
    callbackLabel(step.callback, right + 10, y + 4, openSource));
}

function rung(step, left, right, y, openSource) {
  const isClient = step.from === "client";
  const [from, to] = isClient ? [left + 3, right - 4] : [right - 3, left + 4];
  const end = y + SLOPE;
  const tip = isClient ? -7 : 7;
  const letters = Math.floor(((right - left) * 0.86) / LETTER_WIDTH);
  const isData = step.kind === "data";
  const count = isData ? size(step.data.length) : "";
  const text = isData ? preview(step.data, Math.max(0, letters - count.length - 4)) : step.note;
  const label = isData ? (letters - count.length > 8 && text ? `${count}  ${text}` : count) : text;
  return svg("g", { class: `rung ${step.from} ${step.kind}` },
    svg("text", { x: left - 8, y: (isClient ? y : end) + 4, class: "time" }, step.at === null ? "" : elapsed(step.at)),
    svg("path", { d: `M${from} ${y}L${to} ${end}`, class: "shaft" }),
    step.kind === "rst"
      ? svg("path", { d: `M${to + tip * 0.2 - 5} ${end - 5}l10 10m0-10l-10 10`, class: "tip" })
      : svg("path", { d: `M${to + tip} ${end - 5.5}L${to} ${end}L${to + tip} ${end + 3.5}`, class: "tip" }),
    svg("text", { x: (left + right) / 2, y: y - 4, class: "label middle" }, label.slice(0, Math.max(4, letters))),
    step.callback && callbackLabel(step.callback, right + 10, (isClient ? end : y) + 4, openSource));
}

function callbackLabel(callback, x, y, openSource) {
  const text = svg("text", { x, y, class: "callback" }, callback);
  if (!/^[a-zA-Z]+(Received|Made|Lost|Writing)$/.test(callback)) return text;
  const open = (event) => {
    event.preventDefault();
    openSource(callback);
  };
  return svg("a", { href: "#source", "aria-label": `Source of ${callback}`, on: { click: open } }, text);
}
