// Fields of a form, each with its name beside or above it.

import { copyButton, h, say, setText } from "./dom.js";

/** @param {string} name @param {string} value @param {string} shown @param {string} chosen @param {(value: string) => void} choose */
export function radio(name, value, shown, chosen, choose) {
  return h("label", { class: "pill" },
    h("input", { type: "radio", name, value, checked: value === chosen, on: { change: () => choose(value) } }), shown);
}

/** @param {string} name @param {string} shown @param {Record<string, any>} plan @param {(name: string, value: boolean) => void} set */
export function check(name, shown, plan, set) {
  return h("label", {},
    h("input", { type: "checkbox", name, checked: plan[name], on: { change: (event) => set(name, event.target.checked) } }), shown);
}

/** @param {string} name @param {string} label @param {string[][]} options @param {string} chosen @param {(value: string) => void} choose */
export function select(name, label, options, chosen, choose) {
  return h("label", { class: "field" }, h("span", { class: "name" }, label),
    h("select", { name, on: { change: (event) => choose(event.target.value) } },
      options.map(([value, shown]) => h("option", { value, selected: value === chosen }, shown))));
}

/** @param {string} name @param {string} label @param {number} value @param {number} least @param {number} most
 * @param {(name: string, value: number) => void} set */
export function number(name, label, value, least, most, set) {
  return h("label", { class: "field small" }, h("span", { class: "name" }, label),
    h("input", { type: "number", name, value, min: least, max: most, on: {
      input: (event) => set(name, Math.min(most, Math.max(least, Math.round(Number(event.target.value) || 0)))),
    } }));
}

/** @param {string} name @param {string} label @param {string} value @param {string} hint @param {(value: string) => void} set */
export function words(name, label, value, hint, set) {
  return h("label", { class: "field small" }, h("span", { class: "name" }, label),
    h("input", { name, value, placeholder: hint, spellcheck: "false", autocomplete: "off", autocapitalize: "off",
      on: { input: (event) => set(event.target.value.trim()) } }));
}

/** A text that the daemon may refuse, and its reason beside the button that sends it.
 * @param {string} name @param {string} label @param {string} verb @param {{hint?: string, send: (text: string) => Promise<string>}} how
 *   `send` returns what is to be said once it is done */
export function written(name, label, verb, { hint, send }) {
  const judge = (why) => {
    setText(wrong, why);
    text.setAttribute("aria-invalid", String(Boolean(why)));
  };
  const text = h("textarea", { name, rows: 2, placeholder: hint, spellcheck: "false", autocomplete: "off", autocapitalize: "off",
    "aria-describedby": `${name}-wrong`, on: { input: () => judge("") } });
  const wrong = h("p", { class: "bad", role: "alert", id: `${name}-wrong` });
  const button = h("button", { type: "submit", class: "main" }, verb);
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const done = await send(text.value);
      judge("");
      say(done);
    } catch (why) {
      judge(String(why.message));
    }
    button.disabled = false;
  };
  const write = (value, rows) => {
    text.value = value;
    text.rows = rows;
    judge("");
  };
  const elements = [
    h("label", { class: "field" }, h("span", { class: "name" }, label), text),
    copyButton(() => text.value, `the ${name}`),
    h("div", { class: "line" }, button, wrong),
  ];
  return { elements, submit, write };
}
