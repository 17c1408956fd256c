// One conversation as it goes on: its stream, its ladder and its messages, side by side.

import { connection, follow } from "../lib/api.js";
import { datagramTable } from "./datagrams.js";
import { choice, fill, h } from "../lib/dom.js";
import { ladder } from "./ladder.js";
import { showMessages } from "./messages.js";
import { sourceOf } from "./source.js";
import { followStream } from "./stream.js";

/** Chunks that are kept of one conversation, and milliseconds between two redrawings. */
const MOST = 4096;
const PACE = 120;
const MODES = /** @type {[string, string][]} */ ([["text", "Text"], ["escaped", "Escaped"], ["hex", "Hex"]]);
let mode = "text";

/** @param {HTMLElement} into @param {number} id
 * @param {(conversation: import("../lib/api.js").Conversation) => void} [onNews]
 * @returns {{stop: () => void}} */
export function wireView(into, id, onNews = () => {}) {
  /** @type {import("../lib/api.js").Conversation} */
  let shown;
  let unfollow = () => {};
  let isGone = false;
  let due = 0;
  /** @type {(() => void)[]} */
  const parts = [];
  let drawn = { stop() {} };

  const draw = () => {
    due = 0;
    if (isGone) return;
    for (const part of parts) part();
    onNews(shown);
  };
  const news = () => {
    due ||= window.setTimeout(() => requestAnimationFrame(draw), PACE);
  };
  const begin = async () => {
    try {
      shown = await connection(id);
    } catch (why) {
      fill(into, h("p", { class: "empty" }, String(why.message)));
      return;
    }
    if (isGone) return;
    drawn = build(into, shown, parts, () => shown);
    draw();
    if (shown.reason !== null) return;
    // The stream begins with all that was said: what is here already comes again.
    let toSkip = shown.chunks.length;
    let marksToSkip = shown.faults.length;
    unfollow = follow(id, {
      chunk(chunk) {
        if (toSkip > 0) toSkip -= 1;
        else if (shown.chunks.length < MOST) shown.chunks.push(chunk);
        news();
      },
      faulted(mark) {
        if (marksToSkip > 0) marksToSkip -= 1;
        else {
          shown.faults.push(mark);
          shown.faulted += 1;
        }
        news();
      },
      closed({ chunks, faults, ...rest }) {
        Object.assign(shown, rest);
        news();
      },
    });
  };
  begin();
  return {
    stop() {
      isGone = true;
      unfollow();
      drawn.stop();
    },
  };
}

function build(into, conversation, parts, current) {
  const isDatagram = conversation.kind === "udp";
  const openSource = sourceOf(conversation.service);
  const stream = followStream(isDatagram, openSource);
  const rungs = ladder(openSource);
  const meaning = h("div");
  const table = h("div");
  const modes = choice("Show the bytes as", MODES, mode, (chosen) => {
    mode = chosen;
    stream.setMode(chosen);
  });
  const section = (title, ...inside) => {
    const id = `part-${title.toLowerCase().replace(/ /g, "-")}`;
    return h("section", { "aria-labelledby": id, class: id }, h("div", { class: "section-top" }, h("h2", { id }, title), inside[1]), inside[0]);
  };
  fill(into, h("div", { class: "wire" },
    h("div", { class: "column" },
      section(isDatagram ? "Datagrams" : "Stream", stream.element, modes)),
    h("div", { class: "column" }, section("Ladder", rungs.element),
      isDatagram ? section("Sizes and gaps", table) : section("Messages", meaning))));
  stream.setMode(mode);
  parts.push(
    () => stream.show(current()),
    () => rungs.show(current()),
    () => (isDatagram ? fill(table, datagramTable(current())) : showMessages(current(), meaning)),
  );
  return rungs;
}
