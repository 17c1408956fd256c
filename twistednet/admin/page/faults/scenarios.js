// Section of the scenarios: the one that is played, the configured ones, and a field for any other.

import { playScenario } from "../lib/api.js";
import { bolt } from "../lib/bolt.js";
import { safe } from "../lib/bytes.js";
import { fill, h, setText } from "../lib/dom.js";
import { textEditor } from "../lib/fields.js";
import { age } from "../lib/format.js";

const PLACEHOLDER = "outage = 10s healthy | 5s echo: refuse";

/** The section, and a function that updates it.
 * @param {(doing: Promise<any>, done: string, heading: HTMLElement) => Promise<void>} perform
 * @param {() => Promise<void>} refresh loads the current state at once */
export function scenarioSection(perform, refresh) {
  const heading = h("h2", { id: "scenarios-title", tabindex: -1 }, "Scenarios");
  const stop = h("button", { type: "button", on: { click: () => perform(playScenario(null), "Scenario stopped", heading) } }, "Stop");
  const now = playingBox(stop);
  const known = h("ul", { class: "known-scenarios" });
  const row = ({ name, scenario }) => h("li", {}, h("code", {}, safe(scenario)),
    h("button", { type: "button", "aria-label": `Play ${name}`, on: { click: () => perform(playScenario(name), `Playing ${name}`, heading) } }, "Play"));
  const box = textEditor("scenario", "Scenario: a name, =, and its parts", "Play", { placeholder: PLACEHOLDER, send: async (text) => {
    await playScenario(text.trim());
    await refresh();
    return "Scenario started";
  } });
  let drawn = "";
  return {
    element: h("section", { class: "scenarios", "aria-labelledby": "scenarios-title" },
      h("div", { class: "section-top" }, heading), now.element, known,
      h("form", { class: "rule-box", on: { submit: box.submit } }, box.elements)),
    /** @param {import("../lib/api.js").Scenarios} all */
    show(all) {
      now.show(all.playing);
      const text = JSON.stringify(all.known);
      if (text !== drawn) fill(known, all.known.map(row));
      drawn = text;
    },
  };
}

/** The scenario that is played, with all its parts. @param {HTMLElement} stop */
function playingBox(stop) {
  const title = h("p", { class: "rule" });
  const parts = h("ol");
  const left = h("span", { class: "remaining" });
  const element = h("div", { class: "playing", hidden: true }, h("div", {}, title, parts), stop);
  let drawn = "";
  /** @param {import("../lib/api.js").Playing} one */
  const draw = ({ name, part, parts: all, again }) => {
    fill(title, bolt(), h("span", {}, `${name}, part ${part} of ${all.length}`));
    fill(parts, all.map((text, at) => h("li", { "aria-current": at + 1 === part && "step" },
      h("code", {}, safe(text)), at + 1 === part && left)), again && h("li", {}, h("code", {}, "again")));
  };
  return {
    element,
    /** @param {import("../lib/api.js").Playing | null} one */
    show(one) {
      element.hidden = one === null;
      if (one === null) return;
      const position = `${one.part} ${one.scenario}`;
      if (position !== drawn) draw(one);
      drawn = position;
      setText(left, `${age(Math.max(1, Math.ceil(one.left)))} left`);
    },
  };
}
