// View of one connection: its facts and actions, and its conversation below.

import { endConnection, exportURL } from "../lib/api.js";
import { safe } from "../lib/bytes.js";
import { announce, fill, h, setText } from "../lib/dom.js";
import { clock, duration, plural, size } from "../lib/format.js";
import { conversationView } from "../wire/conversation.js";
import { stateClass } from "./connections.js";

/** @param {HTMLElement} main @param {string} argument */
export function connectionView(main, argument) {
  const id = Number(argument);
  const title = h("h1", { tabindex: -1 }, `Connection ${id}`);
  const facts = h("dl", { class: "facts" });
  const actions = h("div", { class: "actions" });
  const wire = h("div", {}, h("p", { class: "empty" }, "Loading…"));
  fill(main, h("p", { class: "breadcrumb" }, h("a", { href: "#/connections" }, "Connections")),
    h("div", { class: "top" }, title, actions), facts, wire);
  const view = conversationView(wire, id, (conversation) => {
    setText(title, `${safe(conversation.service)} #${id}`);
    showFacts(facts, conversation);
    showActions(actions, conversation);
  });
  return () => view.stop();
}

function showFacts(element, one) {
  const fact = (name, value, kind = "") => h("div", {}, h("dt", {}, name), h("dd", { class: kind }, value));
  fill(element,
    fact("State", one.reason === null ? "open" : safe(one.reason), stateClass(one.reason)),
    fact("Client", safe(one.peer), "client"),
    fact("Server", `${one.kind} ${safe(one.host)}`, "server"),
    fact("Opened", clock(one.opened)),
    fact("Duration", one.seconds === null ? "still open" : duration(one.seconds)),
    fact("In", size(one.bytesIn), "client"),
    fact("Out", size(one.bytesOut), "server"),
    one.faulted > 0 && fact("Faults", `acted ${faultCount(one)}`, "fault"),
    one.truncated && fact("Journal", "truncated: too much data", "bad"));
}

function faultCount({ faulted, faults }) {
  const some = faulted > faults.length ? `; the first ${faults.length} are shown` : "";
  return `${plural(faulted, "time")}${some}`;
}

function showActions(element, one) {
  const isOpen = one.reason === null && one.kind !== "udp";
  const state = `${one.id} ${isOpen}`;
  if (element.dataset.state === state) return;
  element.dataset.state = state;
  const end = (how, name) => h("button", { type: "button", on: {
    click: async () => {
      try {
        await endConnection(one.id, how);
        announce(`${name}: done`);
      } catch (why) {
        announce(String(why.message));
      }
    },
  } }, name);
  fill(element,
    isOpen && [end("close", "Close"), end("reset", "Reset")],
    h("a", { class: "button", href: exportURL(one.id, "jsonl"), download: `connection-${one.id}.jsonl` }, "JSON lines"),
    h("a", { class: "button", href: exportURL(one.id, "pcapng"), download: `connection-${one.id}.pcapng` }, "Capture file"));
}
