// Stream of a conversation: one box per chunk, so that splitting and coalescing are visible.

import { rendered } from "../lib/bytes.js";
import { fill, h, setText } from "../lib/dom.js";
import { duration, plural, size } from "../lib/format.js";
import { faultBox } from "./faultevents.js";
import { timeline } from "./steps.js";

const MAX_BOXES = 400;
/** Bytes of one box; a button shows the rest. */
const MAX_BYTES = 4096;

/** @param {boolean} isDatagram @param {(callback: string) => void} openSource */
export function followStream(isDatagram, openSource) {
  const earlier = h("p", { class: "muted earlier" });
  const list = h("ol", { class: "stream" });
  const element = h("div", {}, earlier, list);
  let mode = "text";
  /** @type {(import("../lib/api.js").Chunk | import("../lib/api.js").FaultEvent)[]} */
  let parts = [];
  let drawn = 0;

  const draw = () => {
    if (parts.length - drawn > MAX_BOXES) {
      drawn = parts.length - MAX_BOXES;
      fill(list);
    }
    const perRow = element.clientWidth && element.clientWidth < 560 ? 8 : 16;
    const boxes = [];
    let number = parts.slice(0, drawn).filter((part) => "data" in part).length;
    for (; drawn < parts.length; drawn += 1) {
      const part = parts[drawn];
      const gap = drawn ? `+${duration(part.at - parts[drawn - 1].at)}` : `at ${duration(part.at)}`;
      if ("fault" in part) boxes.push(faultBox(part, gap));
      else boxes.push(box(part, number += 1, gap, mode, perRow, isDatagram, openSource));
    }
    list.append(...boxes);
    while (list.children.length > MAX_BOXES) list.firstElementChild?.remove();
    const hidden = parts.length - list.children.length;
    earlier.hidden = !hidden;
    setText(earlier, `${plural(hidden, "earlier chunk")} not shown; the export contains them.`);
  };
  return {
    element,
    /** @param {import("../lib/api.js").Conversation} conversation */
    show(conversation) {
      parts = timeline(conversation);
      draw();
    },
    /** @param {string} chosen "text", "escaped" or "hex" */
    setMode(chosen) {
      mode = chosen;
      drawn = 0;
      fill(list);
      draw();
    },
  };
}

function box(chunk, number, gap, mode, perRow, isDatagram, openSource) {
  const isClient = chunk.direction === "in";
  const isFIN = isClient && !isDatagram && !chunk.data.length;
  const what = isFIN ? "FIN" : size(chunk.data.length);
  const body = h("pre");
  const show = (bytes) => fill(body, rendered(bytes, mode, perRow));
  show(chunk.data.subarray(0, MAX_BYTES));
  const rest = chunk.data.length - MAX_BYTES;
  const more = rest > 0 && h("button", { type: "button", class: "quiet", on: {
    click: (event) => {
      show(chunk.data);
      event.currentTarget.remove();
    },
  } }, `Show ${size(rest)} more`);
  return h("li", { class: `box ${isClient ? "client" : "server"}${isFIN ? " fin" : ""}` },
    h("p", { class: "box-top" },
      h("span", { class: "side" }, isClient ? "client" : "server"),
      h("span", {}, isDatagram ? `datagram ${number}, ${what}` : what),
      h("span", { class: "muted" }, gap),
      callbackButton(chunk.callback, openSource)),
    isFIN ? null : chunk.data.length ? body : h("p", { class: "muted" }, "empty"),
    more);
}

function callbackButton(callback, openSource) {
  if (callback === "later") return h("span", { class: "muted callback" }, "later");
  return h("button", { type: "button", class: "link callback", on: { click: () => openSource(callback) } }, callback);
}
