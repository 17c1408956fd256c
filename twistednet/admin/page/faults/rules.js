// A rule as switches make it. What it means is the daemon's to say: here is only how it is written.

/** @typedef {import("../lib/api.js").Kind} Kind */
/** @typedef {{service: string, form: string, values: string[], direction: string, selection: string, count: number,
 *   percent: string, onlyMine: boolean, duration: string, seed: string}} FormState `service` is empty for all that can;
 *   `form` is the kind's; `selection` is "", "first", "every" or "percent" */

/** What stands for each value at first. @type {Record<string, string>} */
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

/** What is asked for at first of a kind: all that has to be there. @param {Kind} kind */
export function defaultValues(kind) {
  return parseForm(kind).filter((one) => one.isValue).map((one) => (one.isOptional ? "" : DEFAULT_VALUES[one.word] ?? ""));
}

/** The kinds that a service can have, or that any can. @param {import("../lib/api.js").Kinds} all @param {string} service */
export function kindsFor(all, service) {
  return all.kinds.filter((kind) => (service ? carries(all, service, kind) : servicesFor(all, kind).length));
}

/** The services that can have a kind. @param {import("../lib/api.js").Kinds} all @param {Kind} kind */
export function servicesFor(all, kind) {
  return Object.keys(all.services).filter((service) => carries(all, service, kind));
}

function carries(all, service, kind) {
  return all.services[service].some((carrier) => kind.carriers.includes(carrier));
}

/** A rule for each service that is meant. @param {import("../lib/api.js").Kinds} all @param {FormState} state @param {string | null} you */
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

/** Is there a choice of whom, and of how many? A port that nobody can reach is so for all. @param {Kind} kind */
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
