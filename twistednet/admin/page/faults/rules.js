// Composes the text of a rule from the state of the form. Only the daemon interprets that text.

/** @typedef {import("../lib/api.js").Kind} Kind */
/** @typedef {{service: string, form: string, values: string[], direction: string, selection: string, count: number,
 *   percent: string, onlyMine: boolean, duration: string, seed: string}} FormState `service` is "" for all that support
 *   the kind; `form` is that of the kind; `selection` is "", "first", "every" or "percent" */

/** The initial value for each word of a form. @type {Record<string, string>} */
const DEFAULT_VALUES = { TIME: "200ms", SIZE: "100 bytes", RATE: "10KiB/s", PERCENT: "30%", N: "2", NUMBER: "0", STATUS: "503",
  NTH: "2nd", TEXT: '"bye"' };

/** @typedef {{word: string, isValue: boolean, isOptional: boolean}} Word */

/** @param {Kind} kind @returns {Word[]} */
export function parseForm(kind) {
  const [head, tail = ""] = kind.form.split(" [");
  const values = [...kind.values];
  const read = (text, isOptional) => text.split(" ").filter(Boolean).map((word) => {
    const isValue = word === values[0];
    if (isValue) values.shift();
    return { word, isValue, isOptional };
  });
  return [...read(head, false), ...read(tail.replace("]", ""), true)];
}

/** The initial values of a kind; optional ones are empty. @param {Kind} kind */
export function defaultValues(kind) {
  return parseForm(kind).filter((one) => one.isValue).map((one) => (one.isOptional ? "" : DEFAULT_VALUES[one.word] ?? ""));
}

/** The kinds that a service supports or, if it is "", that any service does. @param {import("../lib/api.js").Kinds} all @param {string} service */
export function kindsFor(all, service) {
  return all.kinds.filter((kind) => (service ? carries(all, service, kind) : servicesFor(all, kind).length));
}

/** The services that support a kind. @param {import("../lib/api.js").Kinds} all @param {Kind} kind */
export function servicesFor(all, kind) {
  return Object.keys(all.services).filter((service) => carries(all, service, kind));
}

function carries(all, service, kind) {
  return all.services[service].some((carrier) => kind.carriers.includes(carrier));
}

/** One rule for each selected service. @param {import("../lib/api.js").Kinds} all @param {FormState} state @param {string | null} you */
export function buildRules(all, state, you) {
  const kind = all.kinds.find((one) => one.form === state.form);
  if (!kind) return [];
  const services = state.service ? [state.service] : servicesFor(all, kind);
  const rest = [kindText(kind, state.values), ...qualifiers(kind, state, you)].join(", ");
  return services.map((service) => `${service}: ${rest}`);
}

function kindText(kind, values) {
  const given = [...values];
  const all = parseForm(kind).map((one) => ({ ...one, text: one.isValue ? given.shift() ?? "" : one.word }));
  const isWhole = all.every((one) => one.text);
  return all.filter((one) => isWhole || !one.isOptional).map((one) => one.text).join(" ");
}

/** True if a rule can be limited to some clients or connections. A closed port is closed for all. @param {Kind} kind */
export const isSelective = (kind) => kind.counts !== "listeners";

function qualifiers(kind, { direction, selection, count, percent, onlyMine, duration, seed }, you) {
  const some = [
    direction && direction !== kind.direction && direction,
    onlyMine && `from ${you}`,
    selection === "first" && `first ${count}`,
    selection === "every" && `every ${ordinal(count)}`,
    selection === "percent" && percent,
  ];
  return [...(isSelective(kind) ? some : []), duration && `for ${duration}`, isSelective(kind) && seed && `seed ${seed}`].filter(Boolean);
}

/** @param {number} number */
function ordinal(number) {
  const isTeen = number % 100 > 10 && number % 100 < 14;
  return `${number}${(!isTeen && { 1: "st", 2: "nd", 3: "rd" }[number % 10]) || "th"}`;
}
