// What goes wrong on purpose: the rules in force, with what each has done, and switches for more.

import { addFaults, faultKinds, faults, removeFault, removeFaults, resetFault, scenarios } from "../lib/api.js";
import { safe } from "../lib/bytes.js";
import { fill, h, say, setText } from "../lib/dom.js";
import { faultForm } from "../faults/form.js";
import { bolt } from "../wire/faultmarks.js";
import { changed, live } from "../lib/live.js";
import { scenarioSection } from "../faults/scenarios.js";

/** Milliseconds between two looks at the counts. */
const LOOK = 1000;

/** @param {HTMLElement} main */
export function faultsView(main) {
  const heading = h("h2", { id: "rules-title", tabindex: -1 }, "In force");
  const list = h("ul", { class: "rules" });
  const none = h("p", { class: "soft" }, "Asking the daemon…");
  const clear = h("button", { type: "button", hidden: true, on: { click: () => act(removeFaults(), "All rules removed") } }, "Remove all");
  const place = h("div");
  /** @type {Map<number, ReturnType<typeof row>>} */
  let rows = new Map();
  let timer = 0;
  let isGone = false;

  /** @param {import("../lib/api.js").Faults} rules @param {import("../lib/api.js").Scenarios} played */
  const show = ({ faults: all }, played) => {
    const before = rows;
    rows = new Map(all.map((one) => [one.id, before.get(one.id) ?? row(one, act)]));
    for (const one of all) rows.get(one.id)?.show(one);
    const elements = [...rows.values()].map((one) => one.element);
    if (elements.length !== list.children.length || elements.some((one, at) => one !== list.children[at])) fill(list, elements);
    none.hidden = all.length > 0;
    setText(none, "Nothing goes wrong on purpose.");
    clear.hidden = all.length < 2;
    live.faults = all.filter((one) => !one.over).length;
    const { playing } = played;
    live.playing = playing && { name: playing.name, part: playing.part, of: playing.parts.length };
    scenario.show(played);
    changed();
  };
  const look = async () => {
    try {
      const [rules, played] = await Promise.all([faults(), scenarios()]);
      if (!isGone) show(rules, played);
    } catch (why) {
      setText(none, String(why.message));
    }
    // Whoever has acted looks out of turn: there is to be one next look.
    clearTimeout(timer);
    if (!isGone) timer = window.setTimeout(look, LOOK);
  };
  const act = async (doing, done, from = heading) => {
    try {
      await doing;
      say(done);
    } catch (why) {
      say(String(why.message));
    }
    await look();
    // The button may be gone, and the focus with it, or about to go.
    const at = document.activeElement;
    if (at === document.body || !at?.checkVisibility()) from.focus();
  };
  const scenario = scenarioSection(act, look);
  fill(main,
    h("div", { class: "top" }, h("div", {}, h("h1", { tabindex: -1 }, "Faults"),
      h("p", {}, "What goes wrong on purpose, for whom and how often. What no rule hits is untouched. ",
        h("a", { href: "#/try" }, "Try it"), " makes a connection that meets them, and so does any client of yours."))),
    h("section", { class: "in-force-box", "aria-labelledby": "rules-title" },
      h("div", { class: "section-top" }, heading, clear), none, list),
    scenario.element,
    h("section", { "aria-labelledby": "new-title" }, h("div", { class: "section-top" }, h("h2", { id: "new-title" }, "Let something go wrong")), place));
  const begin = async () => {
    try {
      const [{ you }, kinds] = await Promise.all([faults(), faultKinds()]);
      if (!isGone) fill(place, faultForm(kinds, you, (rules) => addFaults(rules).then(look)));
    } catch (why) {
      fill(place, h("p", { class: "empty" }, String(why.message)));
    }
  };
  begin();
  look();
  return () => {
    isGone = true;
    clearTimeout(timer);
  };
}

/** @param {import("../lib/api.js").Fault} of @param {(doing: Promise<any>, done: string) => void} act */
function row(of, act) {
  const counts = h("p", { class: "soft" });
  const over = h("span", { class: "tag", hidden: true }, "over");
  const rule = safe(of.rule);
  const button = (name, doing, done) => h("button", { type: "button", "aria-label": `${name}: ${rule}`, on: { click: () => act(doing(), done) } }, name);
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
