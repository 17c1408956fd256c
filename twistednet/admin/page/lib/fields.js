// Form fields, each with its label.

import { announce, copyButton, h, setText } from "./dom.js";

/** @param {string} name @param {string} value @param {string} shown @param {string} chosen @param {(value: string) => void} choose */
export function radio(name, value, shown, chosen, choose) {
  return h("label", { class: "pill" },
    h("input", { type: "radio", name, value, checked: value === chosen, on: { change: () => choose(value) } }), shown);
}

/** @param {string} name @param {string} shown @param {Record<string, any>} plan @param {(name: string, value: boolean) => void} set */
export function checkbox(name, shown, plan, set) {
  return h("label", {},
    h("input", { type: "checkbox", name, checked: plan[name], on: { change: (event) => set(name, event.target.checked) } }), shown);
}

/** @param {string} name @param {string} label @param {string[][]} options @param {string} chosen @param {(value: string) => void} choose */
export function select(name, label, options, chosen, choose) {
  return h("label", { class: "field" }, h("span", { class: "name" }, label),
    h("select", { name, on: { change: (event) => choose(event.target.value) } },
      options.map(([value, shown]) => h("option", { value, selected: value === chosen }, shown))));
}

/** @param {string} name @param {string} label @param {number} value @param {number} min @param {number} max
 * @param {(name: string, value: number) => void} set */
export function numberField(name, label, value, min, max, set) {
  return h("label", { class: "field small" }, h("span", { class: "name" }, label),
    h("input", { type: "number", name, value, min, max, on: {
      input: (event) => set(name, Math.min(max, Math.max(min, Math.round(Number(event.target.value) || 0)))),
    } }));
}

/** @param {string} name @param {string} label @param {string} value @param {string} placeholder @param {(value: string) => void} set */
export function textField(name, label, value, placeholder, set) {
  return h("label", { class: "field small" }, h("span", { class: "name" }, label),
    h("input", { name, value, placeholder, spellcheck: "false", autocomplete: "off", autocapitalize: "off",
      on: { input: (event) => set(event.target.value.trim()) } }));
}

/** A text area with a submit button. If the daemon refuses the text, the reason is shown beside the button.
 * @param {string} name @param {string} label @param {string} buttonLabel @param {{placeholder?: string, send: (text: string) => Promise<string>}} how
 *   `send` returns the announcement of its success */
export function textEditor(name, label, buttonLabel, { placeholder, send }) {
  const showError = (why) => {
    setText(error, why);
    text.setAttribute("aria-invalid", String(Boolean(why)));
  };
  const text = h("textarea", { name, rows: 2, placeholder, spellcheck: "false", autocomplete: "off", autocapitalize: "off",
    "aria-describedby": `${name}-error`, on: { input: () => showError("") } });
  const error = h("p", { class: "bad", role: "alert", id: `${name}-error` });
  const button = h("button", { type: "submit", class: "primary" }, buttonLabel);
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const message = await send(text.value);
      showError("");
      announce(message);
    } catch (why) {
      showError(String(why.message));
    }
    button.disabled = false;
  };
  const write = (value, rows) => {
    text.value = value;
    text.rows = rows;
    showError("");
  };
  const elements = [
    h("label", { class: "field" }, h("span", { class: "name" }, label), text),
    copyButton(() => text.value, `the ${name}`),
    h("div", { class: "line" }, button, error),
  ];
  return { elements, submit, write };
}
