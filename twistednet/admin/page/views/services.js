// View of the services: addresses, metrics of the last minute, and commands to connect with.

import { services } from "../lib/api.js";
import { safe } from "../lib/bytes.js";
import { copyButton, fill, h, segmented, setText } from "../lib/dom.js";
import { duration, rate, size } from "../lib/format.js";
import { HISTORY_SECONDS, live, onChange } from "../lib/live.js";
import { sparkline } from "../lib/spark.js";
import { command, TOOLS } from "./commands.js";

let tool = localStorage.getItem("tool") ?? "nc";
if (!TOOLS.some(([name]) => name === tool)) tool = "nc";

/** @param {HTMLElement} main */
export function servicesView(main) {
  /** @type {import("../lib/api.js").Service[]} */
  let known = [];
  /** @type {Map<string, ReturnType<typeof card>>} */
  const cards = new Map();
  const list = h("ul", { class: "services" });
  const note = h("p", { class: "empty" }, "Loading…");
  const load = async () => {
    try {
      known = await services();
    } catch (why) {
      setText(note, String(why.message));
      return;
    }
    cards.clear();
    for (const service of known) cards.set(service.name, card(service));
    fill(list, [...cards.values()].map((one) => one.element));
    note.hidden = known.length > 0;
    setText(note, "No service is listening.");
    show();
  };
  const show = () => cards.forEach((one) => one.show());
  const tools = segmented("Commands for", TOOLS, tool, (chosen) => {
    tool = chosen;
    localStorage.setItem("tool", tool);
    cards.forEach((one) => one.showCommand());
  });
  fill(main, h("div", { class: "top" },
    h("div", {}, h("h1", { tabindex: -1 }, "Services"),
      h("p", {}, "Each service listens for clients. Copy a command, run it in a terminal, and see the connection under ",
        h("a", { href: "#/connections" }, "Connections"), ".")),
    tools), list, note);
  let wasConnected = live.connected;
  const stop = onChange(() => {
    // The daemon may have restarted with other addresses.
    if (live.connected && !wasConnected) load();
    wasConnected = live.connected;
    show();
  });
  load();
  return stop;
}

/** @param {import("../lib/api.js").Service} service */
function card(service) {
  const at = service.addresses[0];
  const code = h("code");
  const box = h("pre", { class: "command", tabindex: 0, role: "region", "aria-label": `Command for ${service.name}` }, code);
  const copy = copyButton(() => code.textContent ?? "", `the command for ${service.name}`);
  const metrics = ["Connections", "Bytes", "Latency"].map((name) => metric(name, service.name));
  const showCommand = () => {
    const text = at && command(service.name, at, tool);
    setText(code, text ?? (at ? "This tool cannot connect to it." : "This service has no address."));
    box.classList.toggle("none", !text);
    copy.hidden = !text;
  };
  showCommand();
  const element = h("li", { class: "card", "data-service": service.name },
    h("div", { class: "card-top" },
      h("h2", {}, h("a", { href: `#/connections/?service=${encodeURIComponent(service.name)}` }, service.name)),
      h("ul", { class: "addresses" }, service.addresses.map((one) => h("li", {}, addressText(one))))),
    h("p", { class: "muted" }, service.help, ". ", h("a", { href: `#/try/${encodeURIComponent(service.name)}` }, "Try it")),
    h("dl", { class: "metrics" }, metrics.map((one) => one.element)),
    h("div", { class: "command-box" }, box, copy));
  return {
    element,
    showCommand,
    show() {
      const history = live.rates.get(service.name) ?? [];
      const now = history[history.length - 1];
      if (!now) return;
      const latest = history.findLast((one) => one.latency !== undefined)?.latency;
      metrics[0].show([`${rate(now.opened)}/s`, `${now.open} open`], history.map((one) => one.opened), "ink");
      metrics[1].show([`${size(Math.round(now.bytesIn))}/s in`, `${size(Math.round(now.bytesOut))}/s out`],
        history.map((one) => one.bytesIn + one.bytesOut), "client");
      metrics[2].show(latest === undefined ? ["–", "not measured"] : [duration(latest), "to answer"], history.map((one) => one.latency ?? null), "server");
    },
  };
}

function metric(name, service) {
  const texts = [h("span", { class: "mono" }, "–"), h("span", { class: "mono muted" })];
  const drawn = h("span", { class: "drawn" });
  return {
    element: h("div", {}, h("dt", {}, name), h("dd", {}, drawn, texts)),
    show(shown, values, kind) {
      shown.forEach((text, at) => setText(texts[at], text));
      fill(drawn, sparkline(values, HISTORY_SECONDS, kind, `${name} of ${service} in the last minute; now ${shown.join(", ")}`));
    },
  };
}

/** @param {import("../lib/api.js").Address} at */
function addressText(at) {
  if (at.path !== null) return `unix ${safe(at.path)}`;
  return `${at.kind} ${at.host.includes(":") ? `[${at.host}]` : at.host}:${at.port}`;
}
