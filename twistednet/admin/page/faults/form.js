// Form for new rules: fields that compose a rule, and the text of the rule, which can be edited.

import { fill, h } from "../lib/dom.js";
import { numberField, radio, select, textEditor, textField } from "../lib/fields.js";
import { plural } from "../lib/format.js";
import { buildRules, defaultValues, isSelective, kindsFor, parseForm, servicesFor } from "./rules.js";

const SELECTIONS = [["", "all"], ["first", "first N"], ["every", "every Nth"], ["percent", "at random"]];
const DIRECTIONS = { out: "from the service", in: "from the client" };

/** @param {import("../lib/api.js").Kinds} all @param {string | null} you @param {(rules: string[]) => Promise<void>} add */
export function faultForm(all, you, add) {
  const service = Object.keys(all.services)[0] ?? "";
  const first = kindsFor(all, service)[0];
  /** @type {import("./rules.js").FormState} */
  let state = { service, form: first.form, values: defaultValues(first), direction: first.direction, selection: "", count: 2,
    percent: "30%", onlyMine: false, duration: "", seed: "" };
  const kind = () => all.kinds.find((one) => one.form === state.form) ?? first;
  const box = textEditor("rule", "Rules, one per line", "Add", { send: async (text) => {
    const rules = text.split("\n").map((rule) => rule.trim()).filter(Boolean);
    await add(rules);
    return `${plural(rules.length, "rule")} added`;
  } });
  const what = h("div", { class: "form-subject" });
  const how = h("div", { class: "form-options" });

  const write = () => {
    const rules = buildRules(all, state, you);
    box.write(rules.join("\n"), Math.max(2, rules.length));
  };
  const set = (changes) => {
    state = { ...state, ...changes };
    write();
  };
  /** Draw the form again, since other fields may apply now, and give the focus back to the one that was used. */
  const reset = (changes, selector) => {
    state = { ...state, ...changes };
    if (!kindsFor(all, state.service).includes(kind())) state.form = kindsFor(all, state.service)[0].form;
    if (changes.form !== undefined || changes.service !== undefined) {
      state.values = defaultValues(kind());
      state.direction = kind().direction;
    }
    draw();
    element.querySelector(selector)?.focus();
  };
  const draw = () => {
    fill(what, services(state, all, reset), fault(state, all, kind(), set, reset));
    fill(how, isSelective(kind()) ? [client(state, you, set), selection(state, all, kind(), set, reset)] : h("p", { class: "muted" }, "This fault affects every client."),
      h("div", { class: "line" }, textField("duration", "Duration", state.duration, "unlimited", (duration) => set({ duration })),
        isSelective(kind()) && textField("seed", "Seed", state.seed, "random", (seed) => set({ seed }))));
    write();
  };
  const element = h("form", { class: "try fault-form", on: { submit: box.submit } },
    what, how, h("div", { class: "rule-box" }, box.elements, grammar(all)));
  draw();
  return element;
}

function services(state, all, reset) {
  const names = [["", "all that support it"], ...Object.keys(all.services).map((name) => [name, name])];
  return h("fieldset", { class: "field" }, h("legend", {}, "Service"),
    h("div", { class: "pills" }, names.map(([value, shown]) =>
      radio("service", value, shown, state.service, (service) => reset({ service }, `input[value="${CSS.escape(service)}"]`)))));
}

function fault(state, all, kind, set, reset) {
  const options = kindsFor(all, state.service).map((one) => [one.form, one.form]);
  let at = 0;
  const values = parseForm(kind).map((one, index, line) => {
    if (!one.isValue) return null;
    const place = at++;
    const label = line[index - 1]?.isValue ? one.word : line[index - 1].word;
    return textField(`value-${place}`, label, state.values[place], one.isOptional ? "none" : one.word, (value) =>
      set({ values: state.values = state.values.map((before, other) => (other === place ? value : before)) }));
  });
  return [
    select("kind", "Fault", options, kind.form, (form) => reset({ form }, "[name=kind]")),
    h("div", { class: "line" }, values, kind.direction && select("direction", "Direction",
      Object.entries(DIRECTIONS), state.direction, (direction) => set({ direction }))),
  ];
}

function client(state, you, set) {
  const choose = (value) => set({ onlyMine: value === "mine" });
  return h("fieldset", { class: "field" }, h("legend", {}, "Clients"),
    h("div", { class: "pills" },
      radio("clients", "all", "all", state.onlyMine ? "mine" : "all", choose),
      you && radio("clients", "mine", `only mine, from ${you}`, state.onlyMine ? "mine" : "all", choose)));
}

function selection(state, all, kind, set, reset) {
  const carriers = new Set((state.service ? [state.service] : servicesFor(all, kind)).flatMap((name) => all.services[name]));
  const chunks = carriers.has("stream") && kind.carriers.includes("stream") ? "chunks" : "datagrams";
  const noun = kind.counts === "chunks" ? chunks : kind.counts;
  return h("div", { class: "line" },
    select("selection", `Which ${noun}`, SELECTIONS, state.selection, (value) => reset({ selection: value }, "[name=selection]")),
    ["first", "every"].includes(state.selection) && numberField("count", "N", state.count, 1, 1e6, (_, count) => set({ count })),
    state.selection === "percent" && textField("percent", "Probability", state.percent, "30%", (percent) => set({ percent })));
}

function grammar({ kinds, choices }) {
  const list = (forms) => h("ul", { class: "forms" }, forms.map((form) => h("li", {}, h("code", {}, form))));
  return h("details", {}, h("summary", {}, "Rule syntax"),
    h("p", { class: "muted" }, "A service, a colon, and one of these faults with its values;"), list(kinds.map((one) => one.form)),
    h("p", { class: "muted" }, "then, after commas, any of these qualifiers:"), list(choices));
}
