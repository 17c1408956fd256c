// Turns a conversation into the steps of a ladder, and its bytes into messages.

/** @typedef {import("../lib/api.js").Conversation} Conversation */
/** @typedef {import("../lib/api.js").Chunk} Chunk */
/** @typedef {import("../lib/api.js").FaultEvent} FaultEvent */
/** @typedef {{at: number | null, from: "client" | "server", kind: "connect" | "data" | "fin" | "rst" | "local" | "fault",
 *   data?: Uint8Array, fault?: FaultEvent, callback: string | null, note: string}} Step `at` is null where only the order
 *   is known */

/** End reasons for which the server aborts, so that the client sees a RST. */
const SERVER_RESETS = ["idle", "silent", "write stall", "handshake", "queue", "error", "shutdown"];

/** Chunks and fault events in the order of their times. @param {Conversation} conversation @returns {(Chunk | FaultEvent)[]} */
export function timeline({ chunks, faults }) {
  const all = [];
  let next = 0;
  for (const chunk of chunks) {
    while (next < faults.length && faults[next].at < chunk.at) all.push(faults[next++]);
    all.push(chunk);
  }
  return [...all, ...faults.slice(next)];
}

/** @param {Conversation} conversation @returns {Step[]} */
export function steps(conversation) {
  const isStream = conversation.kind !== "udp";
  /** @type {Step[]} */
  const all = isStream
    ? [{ at: 0, from: "client", kind: "connect", callback: "connectionMade", note: "connect" }]
    : [];
  for (const chunk of timeline(conversation)) {
    if ("fault" in chunk) {
      all.push({ at: chunk.at, from: "server", kind: "fault", fault: chunk, callback: null, note: "" });
      continue;
    }
    const from = chunk.direction === "in" ? "client" : "server";
    const isFIN = isStream && from === "client" && chunk.data.length === 0;
    all.push({ at: chunk.at, from, kind: isFIN ? "fin" : "data", data: chunk.data,
      callback: chunk.callback, note: isFIN ? "FIN" : "" });
  }
  return isStream && conversation.reason !== null ? withEnd(all, conversation) : all;
}

/** Add the end of the connection, as far as it is known: the journal has the client's FIN, but not the server's. */
function withEnd(all, { reason, seconds }) {
  const end = { at: seconds ?? 0, callback: "connectionLost" };
  const fin = all.findIndex((step) => step.kind === "fin");
  if (reason === "client RST") return [...all, { ...end, from: "client", kind: "rst", note: "RST" }];
  if (reason === "connection lost") return [...all, { ...end, from: "client", kind: "rst", note: "lost" }];
  // "admin" is a close or a reset by the admin site: only a client that was closed answers with a FIN.
  const isFault = reason === "fault reset"
    || all.some(({ fault }) => fault && reason === `fault ${fault.fault}` && /(^|, )reset$/.test(fault.did));
  const isServerReset = SERVER_RESETS.includes(reason) || (reason === "admin" && fin < 0) || isFault;
  if (isServerReset) return [...all, { ...end, from: "server", kind: "rst", note: `RST: ${reason}` }];
  if (reason === "client FIN") {
    // The journal may lack the time of a FIN, but the reason shows that there was one.
    const clientFIN = fin < 0 ? [{ ...end, from: "client", kind: "fin", callback: null, note: "FIN" }] : [];
    return [...all, ...clientFIN, { ...end, from: "server", kind: "fin", note: "FIN" }];
  }
  const serverFIN = { from: "server", kind: "fin", note: `FIN: ${reason}` };
  if (fin < 0) return [...all, { ...end, ...serverFIN }];
  // The server closed first, after its last data, and the client's FIN answered: only the order is known.
  return [...all.slice(0, fin), { at: null, callback: null, ...serverFIN }, ...all.slice(fin),
    { ...end, from: "client", kind: "local", note: "" }];
}

/**
 * A message, independent of how it was cut into chunks.
 * @typedef {{from: "client" | "server", at: number, data: Uint8Array, first: number, last: number,
 *   shared: boolean, note: string, ending?: string}} Message `first` and `last` count the chunks of that side from 1;
 *   `shared` if another message came in the same chunk */

/** What ended a message, where that is not a line end. */
const ENDINGS = { line: "", pause: "no newline: a pause ended it", FIN: "no newline: the FIN ended it", write: "no newline" };

/** The messages that the service took or sent, and what has arrived of the next one. @param {Conversation} conversation
 * @returns {Message[]} */
export function messages(conversation) {
  const found = [];
  for (const direction of /** @type {("in" | "out")[]} */ (["in", "out"])) {
    const from = direction === "in" ? "client" : "server";
    const chunks = conversation.chunks.filter((chunk) => chunk.direction === direction && chunk.data.length);
    const data = joined(chunks);
    const own = conversation.messages.filter((one) => one.direction === direction && one.end <= data.length);
    for (const one of own) found.push({ ...one, from, data: data.subarray(one.begin, one.end), shared: isShared(one, own), note: ENDINGS[one.ending] });
    const begin = own.at(-1)?.end ?? 0;
    if (begin < data.length) found.push({ ...unfinished(chunks, begin), from, data: data.subarray(begin), shared: false, note: "not ended" });
  }
  return found.sort((one, other) => one.at - other.at);
}

function joined(chunks) {
  const data = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.data.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    data.set(chunk.data, at);
    at += chunk.data.length;
  }
  return data;
}

const isShared = (one, all) => all.some((other) => other !== one && other.first <= one.last && one.first <= other.last);

/** The chunks of the bytes from `begin` on, which are no message yet. */
function unfinished(chunks, begin) {
  let passed = 0;
  const first = chunks.findIndex((chunk) => (passed += chunk.data.length) > begin);
  return { at: chunks[first].at, first: first + 1, last: chunks.length, ending: "" };
}

/** HTTP/1 requests and responses, of each its head. @param {Conversation} conversation @returns {Message[]} */
export function http(conversation) {
  const found = [];
  for (const direction of /** @type {("in" | "out")[]} */ (["in", "out"])) {
    const chunks = conversation.chunks.filter((chunk) => chunk.direction === direction && chunk.data.length);
    const text = chunks.map((chunk) => String.fromCharCode(...chunk.data.subarray(0, 16384))).join("");
    for (const head of text.matchAll(/(?:^|\n)((?:[A-Z]+ \S+ HTTP\/1\.[01]|HTTP\/1\.[01] \d{3}[^\r\n]*)\r?\n(?:[^\r\n]+\r?\n)*)/g)) {
      let passed = 0;
      const index = chunks.findIndex((chunk) => (passed += chunk.data.length) > head.index + 1);
      const bodySize = /\ncontent-length: *(\d+)/i.exec(head[1])?.[1] ?? "0";
      found.push({
        from: /** @type {"client" | "server"} */ (direction === "in" ? "client" : "server"),
        at: chunks[index]?.at ?? 0, data: Uint8Array.from(head[1].trimEnd(), (letter) => letter.charCodeAt(0)),
        first: index + 1, last: index + 1, shared: false, note: `body ${bodySize} B`,
      });
    }
  }
  return found.sort((one, other) => one.at - other.at);
}
