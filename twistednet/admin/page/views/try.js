// Try it: a real connection of the daemon to itself, and what becomes of it.

import { fetchTrial, services, startTrial } from "../lib/api.js";
import { rendered } from "../lib/bytes.js";
import { announce, fill, h } from "../lib/dom.js";
import { elapsed, size } from "../lib/format.js";
import { pieces, planFor } from "../lib/plans.js";
import { conversationView } from "../wire/conversation.js";
import { tryForm } from "./tryform.js";

/** Milliseconds between two looks at the client's side. */
const POLL_MS = 250;

/** @param {HTMLElement} main @param {string} argument a service */
export function tryView(main, argument) {
  const container = h("div", {}, h("p", { class: "empty" }, "Asking the daemon…"));
  fill(main, h("div", { class: "top" }, h("div", {}, h("h1", { tabindex: -1 }, "Try it"),
    h("p", {}, "The daemon opens a real connection to itself, writes what you say, cut as you say, and you see what arrives."))), container);
  return tryPanel(container, argument).stop;
}

/** The form, and beneath it the result.
 * @param {HTMLElement} container @param {string} first the service that is chosen at first */
export function tryPanel(container, first) {
  const result = h("div", { class: "result" });
  let stop = () => {};
  let isStopped = false;
  /** @type {ReturnType<typeof tryForm> | undefined} */
  let form;
  const send = async (plan) => {
    const trial = await startTrial({ service: plan.service, kind: plan.kind, pieces: pieces(plan), end: plan.end });
    if (isStopped) return;
    stop();
    stop = showTrial(result, trial);
    announce(trial.connection ? `Sent, as connection ${trial.connection}.` : "It was turned away.");
    result.scrollIntoView?.({ block: "nearest" });
  };
  const ready = services().then((all) => {
    if (isStopped) return;
    const name = all.some((one) => one.name === first) ? first : all[0]?.name;
    if (!name) return fill(container, h("p", { class: "empty" }, "No service is open."));
    form = tryForm(all, planFor(name), send);
    fill(container, form.element, result);
  }, (why) => fill(container, h("p", { class: "empty" }, String(why.message))));
  return {
    stop() {
      isStopped = true;
      stop();
    },
    /** @param {Partial<import("../lib/plans.js").Plan>} plan */
    set: (plan) => ready.then(() => form?.set(plan)),
    /** @param {number} id of a connection to be shown in place of the result */
    show(id) {
      stop();
      const box = h("div");
      fill(result, heading(id), box);
      stop = conversationView(box, id).stop;
    },
  };
}

function heading(id) {
  return h("h2", { class: "result-title" }, "What arrived: ", h("a", { href: `#/connections/${id}` }, `connection ${id}`));
}

function showTrial(into, trial) {
  const conversation = h("div");
  const client = h("div", { class: "client-side" });
  let isStopped = false;
  if (trial.connection === null) fill(into, h("p", { class: "bad" }, "The daemon turned it away."), client);
  else fill(into, heading(trial.connection), conversation, client);
  const view = trial.connection === null ? null : conversationView(conversation, trial.connection);
  const poll = async (latest) => {
    if (isStopped) return;
    showClient(client, latest);
    if (latest.ended !== null) return;
    setTimeout(async () => {
      try {
        poll(await fetchTrial(trial.id));
      } catch {
        // It is forgotten, or the daemon is gone; the banner tells of that.
      }
    }, POLL_MS);
  };
  poll(trial);
  return () => {
    isStopped = true;
    view?.stop();
  };
}

const ENDINGS = {
  "server FIN": "The client read everything, up to the server's FIN.",
  "client FIN": "Nothing more came, and the client closed.",
  "client RST": "The client reset the connection.",
  "server RST": "The server reset the connection.",
  silence: "Nothing more came.",
  "nobody there": "Nobody listens there.",
  deadline: "It took too long, and was ended.",
};

function showClient(into, trial) {
  fill(into, h("details", {}, h("summary", {}, "The client's side"),
    h("ol", { class: "messages" }, trial.chunks.map((one) => h("li", { class: one.direction === "sent" ? "client" : "server" },
      h("pre", {}, rendered(one.data.subarray(0, 2048), "text")),
      h("p", { class: "muted" }, `${one.direction} · ${elapsed(one.at)} · ${size(one.data.length)}`))))),
  h("p", { class: "muted", role: "status" }, trial.ended === null ? "The client is at work…" : ENDINGS[trial.ended] ?? `It ended: ${trial.ended}`));
}
