// View of one conversation, updated as it proceeds: stream, ladder and messages side by side.

import { connection, follow } from "../lib/api.js";
import { fill, h, segmented } from "../lib/dom.js";
import { datagramTable } from "./datagrams.js";
import { ladder } from "./ladder.js";
import { showMessages } from "./messages.js";
import { sourceOpener } from "./source.js";
import { followStream } from "./stream.js";

const MAX_CHUNKS = 4096;
const REDRAW_MS = 120;
const MODES = /** @type {[string, string][]} */ ([["text", "Text"], ["escaped", "Escaped"], ["hex", "Hex"]]);
let mode = "text";

/** @param {HTMLElement} into @param {number} id
 * @param {(conversation: import("../lib/api.js").Conversation) => void} [onUpdate]
 * @returns {{stop: () => void}} */
export function conversationView(into, id, onUpdate = () => {}) {
  /** @type {import("../lib/api.js").Conversation} */
  let shown;
  let unfollow = () => {};
  let isStopped = false;
  let timer = 0;
  /** @type {(() => void)[]} */
  const parts = [];
  let drawing = { stop() {} };

  const draw = () => {
    timer = 0;
    if (isStopped) return;
    for (const part of parts) part();
    onUpdate(shown);
  };
  const scheduleDraw = () => {
    timer ||= window.setTimeout(() => requestAnimationFrame(draw), REDRAW_MS);
  };
  const load = async () => {
    try {
      shown = await connection(id);
    } catch (why) {
      fill(into, h("p", { class: "empty" }, String(why.message)));
      return;
    }
    if (isStopped) return;
    drawing = build(into, shown, parts, () => shown);
    draw();
    if (shown.reason !== null) return;
    // The event stream repeats all chunks from the start: skip those that are here already.
    let chunksToSkip = shown.chunks.length;
    let messagesToSkip = shown.messages.length;
    let faultsToSkip = shown.faults.length;
    unfollow = follow(id, {
      chunk(chunk) {
        if (chunksToSkip > 0) chunksToSkip -= 1;
        else if (shown.chunks.length < MAX_CHUNKS) shown.chunks.push(chunk);
        scheduleDraw();
      },
      message(message) {
        if (messagesToSkip > 0) messagesToSkip -= 1;
        else if (shown.messages.length < MAX_CHUNKS) shown.messages.push(message);
        scheduleDraw();
      },
      faulted(event) {
        if (faultsToSkip > 0) faultsToSkip -= 1;
        else {
          shown.faults.push(event);
          shown.faulted += 1;
        }
        scheduleDraw();
      },
      closed({ chunks, messages, faults, ...rest }) {
        Object.assign(shown, rest);
        scheduleDraw();
      },
    });
  };
  load();
  return {
    stop() {
      isStopped = true;
      unfollow();
      drawing.stop();
    },
  };
}

function build(into, conversation, parts, current) {
  const isDatagram = conversation.kind === "udp";
  const openSource = sourceOpener(conversation.service);
  const stream = followStream(isDatagram, openSource);
  const ladderDrawing = ladder(openSource);
  const messages = h("div");
  const table = h("div");
  const modes = segmented("Show the bytes as", MODES, mode, (chosen) => {
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
    h("div", { class: "column" }, section("Ladder", ladderDrawing.element),
      isDatagram ? section("Sizes and gaps", table) : section("Messages", messages))));
  stream.setMode(mode);
  parts.push(
    () => stream.show(current()),
    () => ladderDrawing.show(current()),
    () => (isDatagram ? fill(table, datagramTable(current())) : showMessages(current(), messages)),
  );
  return ladderDrawing;
}
