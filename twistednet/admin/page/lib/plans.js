// Splits a typed text into the writes that the client of the daemon makes.

import { fromEscapes, fromText } from "./bytes.js";

/** @typedef {"one" | "lines" | "parts" | "separators" | "bytes"} Cut */
/** @typedef {{service: string, text: string, escapes: boolean, newline: "lf" | "crlf", finalNewline: boolean,
 *   cut: Cut, parts: number, pauseMs: number, end: "close" | "halfClose" | "reset", kind: string}} Plan
 *   `finalNewline` appends a newline to the text; `kind` is "" or "udp" */

/** The daemon's limits, checked here so that the form can report them before it sends. */
export const LIMITS = { pieces: 32, bytes: 64 * 1024, pauseMs: 2000 };

/** A text that each service answers in an interesting way. @type {Record<string, Partial<Plan>>} */
const DEFAULTS = {
  echo: { text: "This is a test message" },
  receive: { text: "hello, is anybody there?" },
  answer: { text: "how are u" },
  datagram: { text: "hello", finalNewline: false },
  hello: { text: "GET /?name=Michael HTTP/1.1\nHost: localhost\nConnection: close\n", newline: "crlf" },
  chat: { text: "/nick ann\nhello" , cut: "lines", pauseMs: 200 },
};

/** @param {string} service @returns {Plan} */
export function planFor(service) {
  return { service, text: "hello", escapes: false, newline: "lf", finalNewline: true, cut: "one", parts: 3,
    pauseMs: 20, end: "close", kind: "", ...DEFAULTS[service] };
}

/** The bytes of each write, and the pause before it. @param {Plan} plan @returns {{data: Uint8Array, pauseMs: number}[]} */
export function pieces(plan) {
  const ending = plan.newline === "crlf" ? "\r\n" : "\n";
  const text = plan.text.replace(/\r?\n/g, ending) + (plan.finalNewline ? ending : "");
  const bytes = (part) => (plan.escapes ? fromEscapes(part) : fromText(part));
  const writes = cuts(plan, text, bytes).filter((data) => data.length || text === "");
  return writes.map((data, index) => ({ data, pauseMs: index ? plan.pauseMs : 0 }));
}

function cuts({ cut, parts }, text, bytes) {
  if (cut === "lines") return (text.match(/[^\n]*\n|[^\n]+$/g) ?? [""]).map(bytes);
  if (cut === "separators") return text.split("|").map(bytes);
  const whole = bytes(text);
  if (cut === "one") return [whole];
  const size = cut === "bytes" ? 1 : Math.max(1, Math.ceil(whole.length / parts));
  return Array.from({ length: Math.ceil(whole.length / size) }, (_, at) => whole.subarray(at * size, (at + 1) * size));
}

/** The reason why the daemon would refuse this plan, or "". @param {Plan} plan */
export function problem(plan) {
  const all = pieces(plan);
  if (all.length > LIMITS.pieces) return `${all.length} writes exceed the limit of ${LIMITS.pieces}: split the text into fewer.`;
  const sum = all.reduce((total, one) => total + one.data.length, 0);
  if (sum > LIMITS.bytes) return `${sum} bytes exceed the limit of ${LIMITS.bytes}: send less.`;
  return "";
}
