// Switches that make a rule, and the rule as it is written, which can be changed by hand.

import { fill, h } from "../lib/dom.js";
import { number, radio, select, words, written } from "../lib/fields.js";
import { isForSome, kindsFor, rulesOf, servicesFor, valuesFor, wordsOf } from "./rules.js";
import { counted } from "../lib/format.js";

const MANY = [["", "all of them"], ["first", "the first N"], ["every", "every Nth"], ["percent", "each with a probability"]];
const DIRECTIONS = { out: "what the service sends", in: "what the client sends" };

/** @param {import("../lib/api.js").Kinds} all @param {string | null} you @param {(rules: string[]) => Promise<void>} add */
export function faultForm(all, you, add) {
  const service = Object.keys(all.services)[0] ?? "";
  const first = kindsFor(all, service)[0];
  /** @type {import("./rules.js").Switches} */
  let switches = { service, form: first.form, values: valuesFor(first), direction: first.direction, many: "", count: 2,
    percent: "30%", isMine: false, lasting: "", seed: "" };
  const kind = () => all.kinds.find((one) => one.form === switches.form) ?? first;
  const box = written("rule", "The rule as it is written; of several, one a line", "Put in force", { send: async (text) => {
    const rules = text.split("\n").map((rule) => rule.trim()).filter(Boolean);
    await add(rules);
    return `${counted(rules.length, "rule")} put in force`;
  } });
  const what = h("div", { class: "try-what" });
  const how = h("div", { class: "try-how" });

  const write = () => {
    const rules = rulesOf(all, switches, you);
    box.write(rules.join("\n"), Math.max(2, rules.length));
  };
  const set = (changes) => {
    switches = { ...switches, ...changes };
    write();
  };
  /** Others may fit from now on; who works by keyboard stays where they are. */
  const reset = (changes, selector) => {
    switches = { ...switches, ...changes };
    if (!kindsFor(all, switches.service).includes(kind())) switches.form = kindsFor(all, switches.service)[0].form;
    if (changes.form !== undefined || changes.service !== undefined) {
      switches.values = valuesFor(kind());
      switches.direction = kind().direction;
    }
    draw();
    element.querySelector(selector)?.focus();
  };
  const draw = () => {
    fill(what, services(switches, all, reset), fault(switches, all, kind(), set, reset));
    fill(how, isForSome(kind()) ? [whose(switches, you, set), many(switches, all, kind(), set, reset)] : h("p", { class: "soft" }, "It is so for all that connect."),
      h("div", { class: "line" }, words("lasting", "For how long", switches.lasting, "no end", (lasting) => set({ lasting })),
        isForSome(kind()) && words("seed", "Seed", switches.seed, "drawn", (seed) => set({ seed }))));
    write();
  };
  const element = h("form", { class: "try faulting", on: { submit: box.submit } },
    what, how, h("div", { class: "rule-box" }, box.elements, grammar(all)));
  draw();
  return element;
}

function services(switches, all, reset) {
  const names = [["", "all that can"], ...Object.keys(all.services).map((name) => [name, name])];
  return h("fieldset", { class: "field" }, h("legend", {}, "Service"),
    h("div", { class: "services-choice" }, names.map(([value, shown]) =>
      radio("service", value, shown, switches.service, (service) => reset({ service }, `input[value="${CSS.escape(service)}"]`)))));
}

function fault(switches, all, kind, set, reset) {
  const options = kindsFor(all, switches.service).map((one) => [one.form, one.form]);
  let at = 0;
  const values = wordsOf(kind).map((one, index, line) => {
    if (!one.isValue) return null;
    const place = at++;
    const label = line[index - 1]?.isValue ? one.word : line[index - 1].word;
    return words(`value-${place}`, label, switches.values[place], one.isOptional ? "none" : one.word, (value) =>
      set({ values: switches.values = switches.values.map((before, other) => (other === place ? value : before)) }));
  });
  return [
    select("kind", "What goes wrong", options, kind.form, (form) => reset({ form }, "[name=kind]")),
    h("div", { class: "line" }, values, kind.direction && select("direction", "Which way",
      Object.entries(DIRECTIONS), switches.direction, (direction) => set({ direction }))),
  ];
}

function whose(switches, you, set) {
  const choose = (value) => set({ isMine: value === "me" });
  return h("fieldset", { class: "field" }, h("legend", {}, "Whose connections"),
    h("div", { class: "services-choice" },
      radio("whose", "all", "everyone's", switches.isMine ? "me" : "all", choose),
      you && radio("whose", "me", `mine only, from ${you}`, switches.isMine ? "me" : "all", choose)));
}

function many(switches, all, kind, set, reset) {
  const carriers = new Set((switches.service ? [switches.service] : servicesFor(all, kind)).flatMap((name) => all.services[name]));
  const chunks = carriers.has("stream") && kind.carriers.includes("stream") ? "chunks" : "datagrams";
  const noun = kind.counts === "chunks" ? chunks : kind.counts;
  return h("div", { class: "line" },
    select("many", `Which ${noun}`, MANY, switches.many, (value) => reset({ many: value }, "[name=many]")),
    ["first", "every"].includes(switches.many) && number("count", "N", switches.count, 1, 1e6, (_, count) => set({ count })),
    switches.many === "percent" && words("percent", "Probability", switches.percent, "30%", (percent) => set({ percent })));
}

function grammar({ kinds, choices }) {
  const list = (forms) => h("ul", { class: "forms" }, forms.map((form) => h("li", {}, h("code", {}, form))));
  return h("details", {}, h("summary", {}, "What can be written"),
    h("p", { class: "soft" }, "A service, a colon, one of these with its values"), list(kinds.map((one) => one.form)),
    h("p", { class: "soft" }, "and, after commas, any of"), list(choices));
}
