// List of the messages of a conversation, each with the chunks that it came in.

import { rendered } from "../lib/bytes.js";
import { fill, h } from "../lib/dom.js";
import { elapsed, plural } from "../lib/format.js";
import { http, messages } from "./steps.js";

const MAX_MESSAGES = 200;
const MAX_BYTES = 512;

/** How to split each service's bytes into messages; those that the service took are the default. */
const PARSERS = { hello: http };
const WITHOUT_MESSAGES = ["echo", "receive"];

/** @param {import("../lib/api.js").Conversation} conversation @param {HTMLElement} into */
export function showMessages(conversation, into) {
  const parse = PARSERS[conversation.service] ?? messages;
  if (WITHOUT_MESSAGES.includes(conversation.service)) {
    fill(into, h("p", { class: "muted" }, `${conversation.service} has no message format. Split into lines, its bytes are:`),
      messageList(messages(conversation)));
    return;
  }
  fill(into, messageList(parse(conversation)));
}

function messageList(all) {
  if (!all.length) return h("p", { class: "muted" }, "No messages yet.");
  return h("ol", { class: "messages" }, all.slice(-MAX_MESSAGES).map((one) => h("li", { class: one.from },
    h("pre", {}, rendered(one.data.subarray(0, MAX_BYTES), "text"), one.data.length > MAX_BYTES && "…"),
    h("p", { class: "muted" }, [one.from, elapsed(one.at), chunkRange(one), one.note].filter(Boolean).join(" · ")))));
}

function chunkRange({ first, last, shared }) {
  const count = last - first + 1;
  const where = count > 1 ? `${plural(count, "chunk")}, ${first} to ${last}` : `chunk ${first}`;
  return shared ? `${where}, shared` : where;
}
