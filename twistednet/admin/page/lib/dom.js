// Builds elements. A string always becomes text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {Node | string | number | null | false | undefined | Child[]} Child
 * @typedef {Record<string, any>} Attributes `on` has listeners by event; null and false
 *   leave an attribute out, and true sets it without a value.
 */

/** @param {string} name @param {Attributes} [attributes] @param {...Child} children */
export function h(name, attributes = {}, ...children) {
  return build(document.createElement(name), attributes, children);
}

/** The same for SVG. @param {string} name @param {Attributes} [attributes] @param {...Child} children */
export function svg(name, attributes = {}, ...children) {
  return build(document.createElementNS(SVG, name), attributes, children);
}

function build(element, { on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  element.append(...nodes(children));
  return element;
}

function nodes(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

/** Replace the content of an element. @param {Element} element @param {...Child} children */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
}

/** Set a text only if it differs, so that a selection and a live region stay undisturbed. @param {Node} node @param {string | number} text */
export function setText(node, text) {
  if (node.textContent !== String(text)) node.textContent = String(text);
}

/** Announce a text to screen readers. @param {string} text */
export function announce(text) {
  setText(/** @type {Node} */ (document.getElementById("announcement")), text);
}

/** A segmented control: a row of buttons, one of which is pressed.
 * @param {string} label @param {[string, string][]} options value and text of each button
 * @param {string} chosen @param {(value: string) => void} choose */
export function segmented(label, options, chosen, choose) {
  const buttons = options.map(([value, shown]) =>
    h("button", { type: "button", "data-value": value, "aria-pressed": String(value === chosen) }, shown),
  );
  return h("div", {
    class: "segmented", role: "group", "aria-label": label,
    on: {
      click: (event) => {
        const pressed = event.target.closest("button");
        if (!pressed) return;
        for (const button of buttons) button.setAttribute("aria-pressed", String(button === pressed));
        choose(pressed.dataset.value);
      },
    },
  }, buttons);
}

/** A button that copies a text. @param {() => string} text @param {string} what names it for screen readers */
export function copyButton(text, what) {
  const button = h("button", {
    type: "button", class: "quiet copy", "aria-label": `Copy ${what}`,
    on: {
      click: async () => {
        try {
          await navigator.clipboard.writeText(text());
          button.textContent = "Copied";
        } catch {
          button.textContent = "Failed";
        }
        announce(`${what}: ${button.textContent}`);
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      },
    },
  }, "Copy");
  return button;
}
