// View of the faults: the active rules with their counters, scenarios, and a form for new rules.

import { faultForm } from "../faults/form.js";
import { scenarioSection } from "../faults/scenarios.js";
import { addFaults, faultKinds, faults, removeFault, removeFaults, resetFault, scenarios } from "../lib/api.js";
import { bolt } from "../lib/bolt.js";
import { safe } from "../lib/bytes.js";
import { announce, fill, h, setText } from "../lib/dom.js";
import { changed, live } from "../lib/live.js";

const POLL_MS = 1000;

/** @param {HTMLElement} main */
export function faultsView(main) {
  const heading = h("h2", { id: "rules-title", tabindex: -1 }, "Active rules");
  const list = h("ul", { class: "rules" });
  const emptyNote = h("p", { class: "muted" }, "Loading…");
  const clear = h("button", { type: "button", hidden: true, on: { click: () => perform(removeFaults(), "All rules removed") } }, "Remove all");
  const formBox = h("div");
  /** @type {Map<number, ReturnType<typeof row>>} */
  let rows = new Map();
  let timer = 0;
  let isClosed = false;

  /** @param {import("../lib/api.js").Faults} rules @param {import("../lib/api.js").Scenarios} played */
  const show = ({ faults: all }, played) => {
    const before = rows;
    rows = new Map(all.map((one) => [one.id, before.get(one.id) ?? row(one, perform)]));
    for (const one of all) rows.get(one.id)?.show(one);
    const elements = [...rows.values()].map((one) => one.element);
    if (elements.length !== list.children.length || elements.some((one, at) => one !== list.children[at])) fill(list, elements);
    emptyNote.hidden = all.length > 0;
    setText(emptyNote, "No rule is active.");
    clear.hidden = all.length < 2;
    live.faults = all.filter((one) => !one.over).length;
    const { playing } = played;
    live.playing = playing && { name: playing.name, part: playing.part, of: playing.parts.length };
    scenario.show(played);
    changed();
  };
  const poll = async () => {
    try {
      const [rules, played] = await Promise.all([faults(), scenarios()]);
      if (!isClosed) show(rules, played);
    } catch (why) {
      setText(emptyNote, String(why.message));
    }
    // An action polls out of turn, and must not start a second series of polls.
    clearTimeout(timer);
    if (!isClosed) timer = window.setTimeout(poll, POLL_MS);
  };
  const perform = async (doing, done, from = heading) => {
    try {
      await doing;
      announce(done);
    } catch (why) {
      announce(String(why.message));
    }
    await poll();
    // The button that had the focus may have been removed or hidden.
    const at = document.activeElement;
    if (at === document.body || !at?.checkVisibility()) from.focus();
  };
  const scenario = scenarioSection(perform, poll);
  fill(main,
    h("div", { class: "top" }, h("div", {}, h("h1", { tabindex: -1 }, "Faults"),
      h("p", {}, "Each rule makes a service misbehave in a defined way, for the connections that it matches; all others are unaffected. To see it, use ",
        h("a", { href: "#/try" }, "Try it"), " or any client of yours."))),
    h("section", { class: "active-rules", "aria-labelledby": "rules-title" },
      h("div", { class: "section-top" }, heading, clear), emptyNote, list),
    scenario.element,
    h("section", { "aria-labelledby": "new-title" }, h("div", { class: "section-top" }, h("h2", { id: "new-title" }, "New rule")), formBox));
  const loadForm = async () => {
    try {
      const [{ you }, kinds] = await Promise.all([faults(), faultKinds()]);
      if (!isClosed) fill(formBox, faultForm(kinds, you, (rules) => addFaults(rules).then(poll)));
    } catch (why) {
      fill(formBox, h("p", { class: "empty" }, String(why.message)));
    }
  };
  loadForm();
  poll();
  return () => {
    isClosed = true;
    clearTimeout(timer);
  };
}

/** @param {import("../lib/api.js").Fault} of @param {(doing: Promise<any>, done: string) => void} perform */
function row(of, perform) {
  const counts = h("p", { class: "muted" });
  const over = h("span", { class: "tag", hidden: true }, "expired");
  const rule = safe(of.rule);
  const button = (name, doing, done) => h("button", { type: "button", "aria-label": `${name}: ${rule}`, on: { click: () => perform(doing(), done) } }, name);
  return {
    element: h("li", { "data-rule": of.id },
      h("div", {}, h("p", { class: "rule" }, bolt(), h("code", {}, rule), over), counts),
      h("div", { class: "actions" },
        button("Reset", () => resetFault(of.id), "Rule reset"),
        button("Remove", () => removeFault(of.id), "Rule removed"))),
    show: ({ acted, seen, over: isOver }) => {
      setText(counts, `acted on ${acted} of ${seen} that it matched`);
      over.hidden = !isOver;
    },
  };
}
