// What the bytes meant: messages, and the chunks that each one came in.

import { rendered } from "../lib/bytes.js";
import { fill, h } from "../lib/dom.js";
import { counted, moment } from "../lib/format.js";
import { http, lines } from "./steps.js";

const MOST = 200;
const BYTES = 512;

/** Services of which a message is known; those of others are taken for lines if they sent any. */
const PARSED = { answer: lines, chat: lines, hello: http };
const RAW = ["echo", "receive"];

/** @param {import("../lib/api.js").Conversation} conversation @param {HTMLElement} into */
export function showMessages(conversation, into) {
  const parse = PARSED[conversation.service] ?? lines;
  if (RAW.includes(conversation.service)) {
    fill(into, h("p", { class: "soft" }, `${conversation.service} knows no messages, and takes the bytes as they come. As lines, these are:`),
      listOf(lines(conversation)));
    return;
  }
  fill(into, listOf(parse(conversation)));
}

function listOf(all) {
  if (!all.length) return h("p", { class: "soft" }, "None yet.");
  return h("ol", { class: "messages" }, all.slice(-MOST).map((one) => h("li", { class: one.from },
    h("pre", {}, rendered(one.data.subarray(0, BYTES), "text"), one.data.length > BYTES && "…"),
    h("p", { class: "soft" }, [one.from, moment(one.at), pieces(one), one.note].filter(Boolean).join(" · ")))));
}

function pieces({ first, last, shared }) {
  const count = last - first + 1;
  const where = count > 1 ? `${counted(count, "chunk")}, ${first} to ${last}` : `chunk ${first}`;
  return shared ? `${where}, shared` : where;
}
