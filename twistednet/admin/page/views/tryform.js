// Form of "Try it": the text to send, how to split it into writes, and how to end.

import { preview } from "../lib/bytes.js";
import { fill, h, segmented, setText } from "../lib/dom.js";
import { checkbox, numberField, radio, select } from "../lib/fields.js";
import { plural, size } from "../lib/format.js";
import { LIMITS, pieces, planFor, problem } from "../lib/plans.js";

/** @typedef {import("../lib/plans.js").Plan} Plan */

const CUTS = [["one", "one write"], ["lines", "one write per line"], ["parts", "equal parts"],
  ["separators", "at each |"], ["bytes", "one write per byte"]];
const ENDS = [["close", "wait for silence, then close"], ["halfClose", "half-close (FIN), then read on"], ["reset", "reset (RST)"]];

/** @param {import("../lib/api.js").Service[]} services @param {Plan} plan the initial values
 * @param {(plan: Plan) => Promise<void>} send */
export function tryForm(services, plan, send) {
  const element = h("form", { class: "try", on: { submit: (event) => event.preventDefault() } });
  const writes = h("ol", { class: "writes", "aria-label": "Writes" });
  const error = h("p", { class: "bad", role: "status" });
  const button = h("button", { type: "submit", class: "primary" }, "Send");
  let isBusy = false;

  const isDatagram = () => {
    const kinds = services.find((one) => one.name === plan.service)?.addresses.map((at) => at.kind) ?? [];
    return plan.kind === "udp" || (kinds.length > 0 && kinds.every((kind) => kind === "udp"));
  };
  const show = () => {
    const all = pieces(plan);
    const why = problem(plan);
    fill(writes, all.slice(0, LIMITS.pieces).map(({ data, pauseMs }, index) => [
      index > 0 && h("li", { class: "pause muted" }, `${pauseMs} ms`),
      h("li", { class: "write" }, preview(data, 32) || "(empty)", h("span", { class: "muted" }, ` ${size(data.length)}`)),
    ]));
    setText(error, why);
    setText(button, isBusy ? "Sending…" : `Send ${plural(all.length, isDatagram() ? "datagram" : "write")}`);
    button.disabled = isBusy || Boolean(why);
  };
  const set = (name, value) => {
    plan = { ...plan, [name]: value };
    show();
  };
  const draw = () => {
    const parts = numberField("parts", "Parts", plan.parts, 1, LIMITS.pieces, set);
    parts.hidden = plan.cut !== "parts";
    const hasBoth = new Set(services.find((one) => one.name === plan.service)?.addresses.map((at) => at.kind)).size > 1;
    fill(element,
      h("div", { class: "form-subject" },
        h("fieldset", { class: "field" }, h("legend", {}, "Service"),
          h("div", { class: "pills" }, services.map((one) => radio("service", one.name, one.name, plan.service, (value) => {
            plan = planFor(value);
            draw();
            element.querySelector(`input[value="${CSS.escape(value)}"]`)?.focus();
          })))),
        h("label", { class: "field" }, h("span", { class: "name" }, "Text to send"),
          h("textarea", { name: "text", rows: 4, spellcheck: "false", autocomplete: "off", autocapitalize: "off",
            on: { input: (event) => set("text", event.target.value) } }, plan.text)),
        h("div", { class: "line" },
          segmented("Newlines", [["lf", "LF"], ["crlf", "CR LF"]], plan.newline, (value) => set("newline", value)),
          checkbox("finalNewline", "end with a newline", plan, set),
          checkbox("escapes", "interpret \\n \\x00", plan, set))),
      h("div", { class: "form-options" },
        h("div", { class: "line" },
          select("cut", "Split into", CUTS, plan.cut, (value) => {
            parts.hidden = value !== "parts";
            set("cut", value);
          }),
          parts,
          numberField("pauseMs", "Pause, ms", plan.pauseMs, 0, LIMITS.pauseMs, set)),
        hasBoth && segmented("Transport", [["", "TCP"], ["udp", "UDP"]], plan.kind, (value) => {
          set("kind", value);
          draw();
          element.querySelector(`[data-value="${value}"]`)?.focus();
        }),
        isDatagram() ? h("p", { class: "muted" }, "Over UDP each write is one datagram, and there is no connection to end.")
          : select("end", "Then", ENDS, plan.end, (value) => set("end", value)),
        h("div", { class: "field" }, h("span", { class: "name" }, "Writes of the client"), writes),
        h("div", { class: "line" }, button, error)));
    show();
  };
  element.addEventListener("submit", async () => {
    if (isBusy || button.disabled) return;
    isBusy = true;
    show();
    let why = "";
    try {
      await send(isDatagram() ? { ...plan, kind: "udp", end: "close" } : plan);
    } catch (error) {
      why = String(error.message);
    }
    isBusy = false;
    show();
    if (why) setText(error, why);
  });
  draw();
  return {
    element,
    /** @param {Partial<Plan>} changes to the defaults of the service */
    set(changes) {
      plan = { ...planFor(changes.service ?? plan.service), ...changes };
      draw();
    },
  };
}
