// Bytes of a peer as text that is safe to show: nothing in them acts on the screen.

import { h } from "./dom.js";

/** Characters that are invisible, act on the screen, or have no meaning of their own. */
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/u;
const NAMED_ESCAPES = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @param {string} text base64 */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** @param {Uint8Array} bytes */
export function toBase64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** @param {string} text */
export function fromText(text) {
  return new TextEncoder().encode(text);
}

/** Typed text, in which \n, \r, \t, \0, \\ and \xNN are escapes. @param {string} text */
export function fromEscapes(text) {
  const parts = text.split(/(\\(?:x[0-9a-fA-F]{2}|[nrt0\\]))/);
  const plain = { n: 10, r: 13, t: 9, 0: 0, "\\": 92 };
  return concat(parts.map((part, index) => {
    if (index % 2 === 0) return fromText(part);
    return Uint8Array.of(part[1] === "x" ? parseInt(part.slice(2), 16) : plain[part[1]]);
  }));
}

/** @param {Uint8Array[]} pieces */
export function concat(pieces) {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** Every character, and as a number every byte that is not part of one. @param {Uint8Array} bytes */
function* characters(bytes) {
  for (let at = 0; at < bytes.length;) {
    const byte = bytes[at];
    const size = byte < 0x80 ? 1 : byte < 0xc2 ? 0 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf5 ? 4 : 0;
    let text = null;
    if (size && at + size <= bytes.length) {
      try { text = strict.decode(bytes.subarray(at, at + size)); } catch { text = null; }
    }
    yield text ?? byte;
    at += text === null ? 1 : size;
  }
}

/** Every byte, as a character only if it is ASCII. @param {Uint8Array} bytes */
function* ascii(bytes) {
  for (const byte of bytes) yield byte < 0x80 ? String.fromCharCode(byte) : byte;
}

/** \xNN is always a byte, to distinguish it from the character with that number. */
function escaped(character) {
  if (NAMED_ESCAPES[character]) return NAMED_ESCAPES[character];
  const code = typeof character === "number" ? character : /** @type {number} */ (character.codePointAt(0));
  if (typeof character === "number" || code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code <= 0xffff ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
}

/** The bytes on one line of at most `limit` characters. @param {Uint8Array} bytes @param {number} [limit] */
export function preview(bytes, limit = 40) {
  let text = "";
  for (const character of characters(bytes.subarray(0, limit * 4))) {
    text += isPrintable(character) ? character : escaped(character);
    if (text.length > limit) return `${text.slice(0, limit - 1)}…`;
  }
  return text;
}

/** A name or path from outside as text that is safe to show. @param {unknown} text */
export function safe(text) {
  return preview(fromText(String(text)), 200);
}

function isPrintable(character) {
  return typeof character === "string" && !HIDDEN.test(character);
}

/** The bytes as one of "text", "escaped", "hex"; escapes are elements of their own.
 * @param {Uint8Array} bytes @param {string} mode @param {number} [perRow] bytes in a row of hex
 * @returns {(string | Element)[]} */
export function rendered(bytes, mode, perRow = 16) {
  if (mode === "hex") return [hexDump(bytes, perRow)];
  const isEscaped = mode === "escaped";
  /** @type {(string | Element)[]} */
  const parts = [];
  let run = "";
  let hidden = "";
  const flush = () => {
    if (run) parts.push(run);
    if (hidden) parts.push(h("span", { class: "escape" }, hidden));
    run = hidden = "";
  };
  for (const character of isEscaped ? ascii(bytes) : characters(bytes)) {
    const plain = isEscaped ? typeof character === "string" && /^[ -[\]-~]$/.test(character) : isPrintable(character);
    if (plain) {
      if (hidden) flush();
      run += character;
    } else {
      if (run) flush();
      hidden += character === "\\" ? "\\\\" : escaped(character);
      if (character === "\n" && !isEscaped) {
        flush();
        run = "\n";
      }
    }
  }
  flush();
  return parts;
}

function hexDump(bytes, perRow) {
  const rows = [];
  for (let at = 0; at < bytes.length; at += perRow) {
    const row = [...bytes.subarray(at, at + perRow)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0"));
    const groups = [];
    for (let from = 0; from < hex.length; from += 8) groups.push(hex.slice(from, from + 8).join(" "));
    const ascii = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·")).join("");
    rows.push(`${at.toString(16).padStart(4, "0")}  ${groups.join("  ").padEnd(perRow * 3 + perRow / 8 - 2)}  ${ascii}`);
  }
  return rows.join("\n");
}
