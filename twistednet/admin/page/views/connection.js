// One connection, opened: who, how long, how it ended; and the wire beneath.

import { endConnection, exportURL } from "../lib/api.js";
import { safe } from "../lib/bytes.js";
import { stateClass } from "./connections.js";
import { fill, h, say, setText } from "../lib/dom.js";
import { clock, counted, size, span } from "../lib/format.js";
import { wireView } from "../wire/conversation.js";

/** @param {HTMLElement} main @param {string} argument */
export function connectionView(main, argument) {
  const id = Number(argument);
  const title = h("h1", { tabindex: -1 }, `Connection ${id}`);
  const facts = h("dl", { class: "facts" });
  const actions = h("div", { class: "actions" });
  const wire = h("div", {}, h("p", { class: "empty" }, "Asking the daemon…"));
  fill(main, h("p", { class: "crumb" }, h("a", { href: "#/connections" }, "Connections")),
    h("div", { class: "top" }, title, actions), facts, wire);
  const view = wireView(wire, id, (conversation) => {
    setText(title, `${safe(conversation.service)} #${id}`);
    showFacts(facts, conversation);
    showActions(actions, conversation);
  });
  return () => view.stop();
}

function showFacts(into, one) {
  const fact = (name, value, kind = "") => h("div", {}, h("dt", {}, name), h("dd", { class: kind }, value));
  fill(into,
    fact("State", one.reason === null ? "open" : safe(one.reason), stateClass(one.reason)),
    fact("Client", safe(one.peer), "client"),
    fact("Server", `${one.kind} ${safe(one.host)}`, "server"),
    fact("Opened", clock(one.opened)),
    fact("Lasted", one.seconds === null ? "goes on" : span(one.seconds)),
    fact("In", size(one.bytesIn), "client"),
    fact("Out", size(one.bytesOut), "server"),
    one.faulted > 0 && fact("Faults", `acted ${acted(one)}`, "fault"),
    one.truncated && fact("Kept", "not all: it was too much", "bad"));
}

function acted({ faulted, faults }) {
  const some = faulted > faults.length ? `, the first ${faults.length} of which are shown` : "";
  return `${counted(faulted, "time")}${some}`;
}

function showActions(into, one) {
  const isOpen = one.reason === null && one.kind !== "udp";
  const state = `${one.id} ${isOpen}`;
  if (into.dataset.state === state) return;
  into.dataset.state = state;
  const end = (how, name) => h("button", { type: "button", on: {
    click: async () => {
      try {
        await endConnection(one.id, how);
        say(`${name}: done`);
      } catch (why) {
        say(String(why.message));
      }
    },
  } }, name);
  fill(into,
    isOpen && [end("close", "Close"), end("reset", "Reset")],
    h("a", { class: "button", href: exportURL(one.id, "jsonl"), download: `connection-${one.id}.jsonl` }, "JSON lines"),
    h("a", { class: "button", href: exportURL(one.id, "pcapng"), download: `connection-${one.id}.pcapng` }, "Capture file"));
}
