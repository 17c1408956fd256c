// Client of the daemon's API. No other module knows its paths, its field names, or how it streams.

import { fromBase64, toBase64 } from "./bytes.js";

const ROOT = "api/v1";
/** The daemon requires this header for changes, since a page of another origin cannot send it. */
const CHANGE_HEADERS = { "X-Netdemo": "1", "Content-Type": "application/json" };

/**
 * @typedef {{at: number, direction: "in" | "out", data: Uint8Array, callback: string}} Chunk
 *   `at` in seconds since the start of the conversation
 * @typedef {{at: number, fault: string, rule: string, count: number, did: string}} FaultEvent what a fault did:
 *   `count` is how often its rule had acted, this time included
 * @typedef {{at: number, direction: "in" | "out", begin: number, end: number, first: number, last: number,
 *   ending: "line" | "pause" | "FIN" | "write"}} Bounds a message as a part of all data of its direction: the
 *   service has decided where it ends. `first` and `last` count the chunks of that direction from 1, without empty ones
 * @typedef {{id: number, service: string, kind: string, peer: string, host: string, opened: number,
 *   seconds: number | null, reason: string | null, bytesIn: number, bytesOut: number, truncated: boolean,
 *   chunks: Chunk[], messages: Bounds[], faulted: number, faults: FaultEvent[]}} Conversation `reason` and `seconds` are null while it is
 *   open; `faulted` counts what faults did, and `faults` has only the first of these events
 * @typedef {{kind: string, host: string, port: number | null, path: string | null}} Address
 * @typedef {{name: string, help: string, addresses: Address[]}} Service
 * @typedef {{at: number, direction: "sent" | "received", data: Uint8Array}} ClientChunk
 * @typedef {{id: number, service: string, connection: number | null, ended: string | null, chunks: ClientChunk[]}} Trial
 * @typedef {{data: Uint8Array, pauseMs: number}} Piece
 * @typedef {{id: number, rule: string, service: string, seen: number, acted: number, over: boolean}} Fault
 * @typedef {{faults: Fault[], you: string | null}} Faults `you` is the address of this browser
 * @typedef {{form: string, values: string[], counts: string, direction: "in" | "out" | "",
 *   carriers: string[]}} Kind `values` are the words of `form` that stand for a
 *   value
 * @typedef {{name: string, scenario: string, part: number, parts: string[], again: boolean, left: number}} Playing the scenario
 *   that is played: the current part, counted from 1, and the seconds that it has left
 * @typedef {{known: {name: string, scenario: string}[], playing: Playing | null}} Scenarios
 * @typedef {{kinds: Kind[], choices: string[], services: Record<string, string[]>}} Kinds `services` has the carriers
 *   of each service
 */

/** A request that the daemon refused, or did not answer (status 0). The message is the reason. */
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
  if (!answer.ok) throw new RequestError(answer.status, content.error ?? `The daemon answered with status ${answer.status}.`);
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

/** The newest connections that match. `state` is "", "open", "ended" or a reason.
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

function conversation({ closed, chunks = [], messages = [], faults = [], ...one }) {
  return { ...one, reason: closed, chunks: chunks.map(chunk), messages, faults };
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

/** Add all of these rules or, if one is invalid, none. @param {string[]} rules */
export const addFaults = (rules) => modify("/faults", { rules });

/** @param {number} id @returns {Promise<Faults>} */
export const removeFault = (id) => modify(`/faults/${id}`, {}, "DELETE");

/** @returns {Promise<Faults>} */
export const removeFaults = () => modify("/faults", { rules: [] }, "PUT");

/** Reset a rule's counters and its random numbers. @param {number} id */
export const resetFault = (id) => modify(`/faults/${id}/reset`);

/** @returns {Promise<Scenarios>} */
export const scenarios = () => request("/scenario");

/** Play a scenario, given by its name or in full; null stops the current one. @param {string | null} scenario */
export const playScenario = (scenario) => modify("/scenario", { play: scenario }, "PUT");

/** The source code of a callback. @param {string} service @param {string} callback
 * @returns {Promise<{where: string, line: number, lines: string[]}>} */
export const source = (service, callback) => request(`/services/${encodeURIComponent(service)}/source/${callback}`);

/** Open streams. They are closed when the page is left: a browser may keep such a page in its cache, and
 * the streams would use up its limit of six connections to one host. @type {Set<EventSource>} */
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

/** Follow the events of the daemon for as long as the page is open. The browser reconnects by itself.
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
    // After a response that is not a stream the browser does not reconnect: find out why, and try again.
    request("/services").then(() => "", (why) => (why.status === 401 ? "This browser may not read from the daemon. Open the URL that the daemon printed at its start: its access token is new each time." : ""))
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

/** Follow one conversation. The function that is returned stops that.
 * @param {number} id @param {{chunk: (chunk: Chunk) => void, message: (message: Bounds) => void, faulted: (event: FaultEvent) => void, closed: (all: Conversation) => void}} on */
export function follow(id, on) {
  const stream = openStream(`/connections/${id}/events`);
  stream.addEventListener("chunk", (event) => on.chunk(chunk(JSON.parse(event.data))));
  stream.addEventListener("message", (event) => on.message(JSON.parse(event.data)));
  stream.addEventListener("faulted", (event) => on.faulted(JSON.parse(event.data)));
  stream.addEventListener("closed", (event) => {
    closeStream(stream);
    on.closed(conversation(JSON.parse(event.data)));
  });
  return () => closeStream(stream);
}
