// All that the page knows of the daemon's API: addresses, names of fields, how it streams.

import { fromBase64, toBase64 } from "./bytes.js";

const ROOT = "api/v1";
/** Whoever changes something says so in a header, which no page elsewhere can send. */
const CHANGE_HEADERS = { "X-Netdemo": "1", "Content-Type": "application/json" };

/**
 * @typedef {{at: number, direction: "in" | "out", data: Uint8Array, callback: string}} Chunk
 *   `at` in seconds since the conversation began
 * @typedef {{at: number, fault: string, rule: string, count: number, did: string}} FaultEvent a fault acted, by
 *   this rule, which had acted so often by then
 * @typedef {{id: number, service: string, kind: string, peer: string, host: string, opened: number,
 *   seconds: number | null, reason: string | null, bytesIn: number, bytesOut: number, truncated: boolean,
 *   chunks: Chunk[], faulted: number, faults: FaultEvent[]}} Conversation `reason` and `seconds` are null while it is
 *   open; `faulted` is how often faults acted, of which the first times stand in `faults`
 * @typedef {{kind: string, host: string, port: number | null, path: string | null}} Address
 * @typedef {{name: string, help: string, addresses: Address[]}} Service
 * @typedef {{at: number, direction: "sent" | "received", data: Uint8Array}} ClientChunk
 * @typedef {{id: number, service: string, connection: number | null, ended: string | null, chunks: ClientChunk[]}} Trial
 * @typedef {{data: Uint8Array, pauseMs: number}} Piece
 * @typedef {{id: number, rule: string, service: string, seen: number, acted: number, over: boolean}} Fault
 * @typedef {{faults: Fault[], you: string | null}} Faults those in force, and the address that we come from
 * @typedef {{form: string, values: string[], counts: "connections" | "chunks", direction: "in" | "out" | "",
 *   carriers: string[]}} Kind `values` are the words of the form that stand for one
 * @typedef {{name: string, part: number, parts: string[], again: boolean, left: number}} Playing a scenario, of which
 *   this part is on, counted from 1, for so many seconds more
 * @typedef {{known: {name: string, scenario: string}[], playing: Playing | null}} Scenarios
 * @typedef {{kinds: Kind[], choices: string[], services: Record<string, string[]>}} Kinds carriers by service
 */

/** The daemon said no, and why. */
export class RequestError extends Error {
  /** @param {number} status @param {string} why */
  constructor(status, why) {
    super(why);
    this.status = status;
  }
}

async function request(path, options = {}) {
  let answer;
  try {
    answer = await fetch(`${ROOT}${path}`, { cache: "no-store", ...options });
  } catch {
    throw new RequestError(0, "The daemon does not answer.");
  }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new RequestError(answer.status, content.error ?? `The daemon says ${answer.status}.`);
  return content;
}

const modify = (path, body = {}, method = "POST") => request(path, { method, headers: CHANGE_HEADERS, body: JSON.stringify(body) });

/** @returns {Promise<Service[]>} */
export async function services() {
  const { services: all } = await request("/services");
  return all.map((one) => ({ name: one.name, help: one.help, addresses: one.listeners.map(address) }));
}

function address({ kind, host, port, path }) {
  const name = path !== null ? "unix" : kind === "ssl" ? "tls" : kind;
  return { kind: name, host: host ?? "", port, path };
}

/** The newest that fit. `state` is "", "open", "ended" or a reason.
 * @param {{service?: string, peer?: string, text?: string, state?: string, since?: number, limit?: number}} filter
 * @returns {Promise<{found: Conversation[], isMore: boolean}>} */
export async function connections({ state = "", ...filter }) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) if (value) query.set(name, String(value));
  if (state === "open") query.set("state", "open");
  else if (state === "ended") query.set("state", "closed");
  else if (state) query.set("reason", state);
  const { connections: all, before } = await request(`/connections?${query}`);
  return { found: all.map(conversation), isMore: before !== null };
}

/** @param {number} id @returns {Promise<Conversation>} */
export async function connection(id) {
  return conversation(await request(`/connections/${id}`));
}

function conversation({ closed, chunks = [], faults = [], ...one }) {
  return { ...one, reason: closed, chunks: chunks.map(chunk), faults };
}

function chunk(one) {
  return { ...one, data: fromBase64(one.data) };
}

/** @param {number} id @param {"close" | "reset"} how */
export const endConnection = (id, how) => modify(`/connections/${id}/${how}`);

/** @param {number} id @param {"jsonl" | "pcapng"} format */
export const exportURL = (id, format) => `${ROOT}/connections/${id}/export?format=${format}`;

/** @param {{service: string, kind?: string, pieces: Piece[], end: "close" | "halfClose" | "reset"}} plan
 * @returns {Promise<Trial>} */
export async function startTrial({ service, kind, pieces, end }) {
  const started = await modify("/try", {
    service,
    ...(kind ? { kind } : {}),
    pieces: pieces.map(({ data, pauseMs }) => ({ data: toBase64(data), pauseMs })),
    halfClose: end === "halfClose",
    reset: end === "reset",
  });
  return { ...started, service, ended: null, chunks: [] };
}

/** @param {number} id @returns {Promise<Trial>} */
export const fetchTrial = async (id) => trial(await request(`/try/${id}`));

function trial({ chunks, ...one }) {
  return { ...one, chunks: chunks.map(chunk) };
}

/** @returns {Promise<Faults>} */
export const faults = () => request("/faults");

/** @returns {Promise<Kinds>} */
export const faultKinds = () => request("/faults/kinds");

/** Put all of them in force or, if one is wrong, none. @param {string[]} rules */
export const addFaults = (rules) => modify("/faults", { rules });

/** @param {number} id @returns {Promise<Faults>} */
export const removeFault = (id) => modify(`/faults/${id}`, {}, "DELETE");

/** @returns {Promise<Faults>} */
export const removeFaults = () => modify("/faults", { rules: [] }, "PUT");

/** Count and draw anew. @param {number} id */
export const resetFault = (id) => modify(`/faults/${id}/reset`);

/** @returns {Promise<Scenarios>} */
export const scenarios = () => request("/scenario");

/** One that is known, by its name, or any other as it is written; or no more. @param {string | null} scenario */
export const playScenario = (scenario) => modify("/scenario", { play: scenario }, "PUT");

/** The code that ran, as the daemon has it. @param {string} service @param {string} callback
 * @returns {Promise<{where: string, line: number, lines: string[]}>} */
export const source = (service, callback) => request(`/services/${encodeURIComponent(service)}/source/${callback}`);

/** Streams that are open. A browser keeps a page that is left, and would keep them with it, though it
 * has six connections to the daemon and no more. @type {Set<EventSource>} */
const streams = new Set();
addEventListener("pagehide", () => streams.forEach((stream) => stream.close()));
addEventListener("pageshow", (event) => event.persisted && location.reload());

function openStream(path) {
  const stream = new EventSource(`${ROOT}${path}`);
  streams.add(stream);
  return stream;
}

function closeStream(stream) {
  stream.close();
  streams.delete(stream);
}

/** All that happens, for as long as the page is there; the browser connects again by itself.
 * @param {{state: (connected: boolean, failure: string) => void, updated: () => void, missed: (events: number) => void,
 *   refused: (event: {service: string, peer: string, limit: string}) => void,
 *   rates: (latest: {services: Record<string, any>, faults: number,
 *     playing: {name: string, part: number, of: number} | null}) => void}} on */
export function watch(on) {
  const stream = openStream("/events");
  const listen = (name, act) => stream.addEventListener(name, (event) => act(event.data));
  stream.onopen = () => on.state(true, "");
  stream.onerror = () => {
    if (stream.readyState !== EventSource.CLOSED) return on.state(false, "");
    closeStream(stream);
    // Some answers end it for good, such as one without the stream: ask for the reason, and try again.
    request("/services").then(() => "", (why) => (why.status === 401 ? "The daemon was started anew: open the URL that it printed then." : ""))
      .then((failure) => on.state(false, failure));
    setTimeout(() => watch(on), 3000);
    return undefined;
  };
  listen("opened", on.updated);
  listen("closed", on.updated);
  listen("faulted", on.updated);
  listen("missed", (data) => on.missed(JSON.parse(data).events));
  listen("refused", (data) => on.refused(JSON.parse(data)));
  listen("rates", (data) => on.rates(JSON.parse(data)));
}

/** One conversation as it goes on. What is returned stops it.
 * @param {number} id @param {{chunk: (chunk: Chunk) => void, faulted: (event: FaultEvent) => void, closed: (all: Conversation) => void}} on */
export function follow(id, on) {
  const stream = openStream(`/connections/${id}/events`);
  stream.addEventListener("chunk", (event) => on.chunk(chunk(JSON.parse(event.data))));
  stream.addEventListener("faulted", (event) => on.faulted(JSON.parse(event.data)));
  stream.addEventListener("closed", (event) => {
    closeStream(stream);
    on.closed(conversation(JSON.parse(event.data)));
  });
  return () => closeStream(stream);
}
