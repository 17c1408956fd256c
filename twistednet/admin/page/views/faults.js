// What goes wrong on purpose: the rules in force, with what each has done, and switches for more.

import { faultForm } from "../faults/form.js";
import { scenarioSection } from "../faults/scenarios.js";
import { addFaults, faultKinds, faults, removeFault, removeFaults, resetFault, scenarios } from "../lib/api.js";
import { bolt } from "../lib/bolt.js";
import { safe } from "../lib/bytes.js";
import { announce, fill, h, setText } from "../lib/dom.js";
import { changed, live } from "../lib/live.js";

/** Milliseconds between two looks at the counts. */
const POLL_MS = 1000;

/** @param {HTMLElement} main */
export function faultsView(main) {
  const heading = h("h2", { id: "rules-title", tabindex: -1 }, "In force");
  const list = h("ul", { class: "rules" });
  const emptyNote = h("p", { class: "muted" }, "Asking the daemon…");
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
    setText(emptyNote, "Nothing goes wrong on purpose.");
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
    // Whoever has acted looks out of turn: there is to be one next look.
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
    // The button may be gone, and the focus with it, or about to go.
    const at = document.activeElement;
    if (at === document.body || !at?.checkVisibility()) from.focus();
  };
  const scenario = scenarioSection(perform, poll);
  fill(main,
    h("div", { class: "top" }, h("div", {}, h("h1", { tabindex: -1 }, "Faults"),
      h("p", {}, "What goes wrong on purpose, for whom and how often. What no rule hits is untouched. ",
        h("a", { href: "#/try" }, "Try it"), " makes a connection that meets them, and so does any client of yours."))),
    h("section", { class: "active-rules", "aria-labelledby": "rules-title" },
      h("div", { class: "section-top" }, heading, clear), emptyNote, list),
    scenario.element,
    h("section", { "aria-labelledby": "new-title" }, h("div", { class: "section-top" }, h("h2", { id: "new-title" }, "Let something go wrong")), formBox));
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
  const over = h("span", { class: "tag", hidden: true }, "over");
  const rule = safe(of.rule);
  const button = (name, doing, done) => h("button", { type: "button", "aria-label": `${name}: ${rule}`, on: { click: () => perform(doing(), done) } }, name);
  return {
    element: h("li", { "data-rule": of.id },
      h("div", {}, h("p", { class: "rule" }, bolt(), h("code", {}, rule), over), counts),
      h("div", { class: "actions" },
        button("Count anew", () => resetFault(of.id), "Counted anew"),
        button("Remove", () => removeFault(of.id), "Removed"))),
    show: ({ acted, seen, over: isOver }) => {
      setText(counts, `acted on ${acted} of ${seen} that it could choose from`);
      over.hidden = !isOver;
    },
  };
}
