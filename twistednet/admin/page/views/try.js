// Try it: the daemon connects to itself, and the page shows what happens on that connection.

import { fetchTrial, services, startTrial } from "../lib/api.js";
import { rendered } from "../lib/bytes.js";
import { announce, fill, h } from "../lib/dom.js";
import { elapsed, size } from "../lib/format.js";
import { pieces, planFor } from "../lib/plans.js";
import { conversationView } from "../wire/conversation.js";
import { tryForm } from "./tryform.js";

const POLL_MS = 250;

/** @param {HTMLElement} main @param {string} argument a service */
export function tryView(main, argument) {
  const container = h("div", {}, h("p", { class: "empty" }, "Loading…"));
  fill(main, h("div", { class: "top" }, h("div", {}, h("h1", { tabindex: -1 }, "Try it"),
    h("p", {}, "The daemon opens a real connection to itself and sends your text, split into writes as you choose. The page shows what arrives."))), container);
  return tryPanel(container, argument).stop;
}

/** The form, and the result below it.
 * @param {HTMLElement} container @param {string} first the service that is selected at the start */
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
    announce(trial.connection ? `Sent, as connection ${trial.connection}.` : "The connection was refused.");
    result.scrollIntoView?.({ block: "nearest" });
  };
  const ready = services().then((all) => {
    if (isStopped) return;
    const name = all.some((one) => one.name === first) ? first : all[0]?.name;
    if (!name) return fill(container, h("p", { class: "empty" }, "No service is listening."));
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
    /** @param {number} id a connection to show instead of the result */
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
  if (trial.connection === null) fill(into, h("p", { class: "bad" }, "The daemon refused the connection."), client);
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
        // The banner reports a daemon that is gone. Otherwise it has dropped this trial, and no more comes.
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
  "server FIN": "The client read everything up to the server's FIN.",
  "client FIN": "No more data arrived, and the client closed.",
  "client RST": "The client reset the connection.",
  "server RST": "The server reset the connection.",
  silence: "No more data arrived.",
  "nobody there": "No service listens at this address.",
  "too much": "The client stopped: it had received too much.",
  deadline: "The client stopped at its time limit.",
};

function showClient(into, trial) {
  fill(into, h("details", {}, h("summary", {}, "The client's side"),
    h("ol", { class: "messages" }, trial.chunks.map((one) => h("li", { class: one.direction === "sent" ? "client" : "server" },
      h("pre", {}, rendered(one.data.subarray(0, 2048), "text")),
      h("p", { class: "muted" }, `${one.direction} · ${elapsed(one.at)} · ${size(one.data.length)}`))))),
  h("p", { class: "muted", role: "status" }, trial.ended === null ? "The client is running…" : ENDINGS[trial.ended] ?? `The trial ended: ${trial.ended}`));
}
