// Six exercises, and how to tell from the wire that one is done.

import { lines } from "../wire/steps.js";

/** @typedef {import("../lib/api.js").Conversation} Conversation */
/**
 * @typedef {{id: string, title: string, goal: string, why: string, terminal: string,
 *   plan: Partial<import("../lib/plans.js").Plan>, also?: Partial<import("../lib/plans.js").Plan>,
 *   done: (all: Watched[]) => Conversation | undefined, almost: (one: Conversation) => string}} Lesson
 * @typedef {{conversation: Conversation, still: number}} Watched `still`: milliseconds since it last moved
 */

const stream = ({ conversation }) => conversation.kind !== "udp";
const from = (conversation, direction) => conversation.chunks.filter((one) => one.direction === direction && one.data.length);
const newlines = (data) => data.reduce((count, byte) => count + (byte === 10), 0);
const text = (data) => new TextDecoder().decode(data).trim();

/** Which conversation, if any, does what the lesson asks for. */
const some = (test) => (all) => all.find(test)?.conversation;

/** @type {Lesson[]} */
export const LESSONS = [
  {
    id: "split", title: "Send one line in three writes",
    goal: "Make one line, ended by a newline, arrive in three chunks or more.",
    why: "TCP is a stream of bytes. How you cut them into writes is not kept, and a server must be right for every cut: it waits for the newline. Pause between the writes, or they arrive together; but not for 100 ms, which is how answer tells the end of a message that has no newline.",
    terminal: "(printf 'how '; sleep .03; printf 'are '; sleep .03; printf 'u\\n') | nc -N HOST PORT",
    plan: { service: "answer", text: "how |are |u", cut: "marks", pauseMs: 30 },
    done: some((one) => stream(one) && lines(one.conversation).some((line) =>
      line.from === "client" && line.last - line.first >= 2 && line.data.at(-1) === 10)),
    almost: (one) => `It arrived in ${from(one, "in").length === 1 ? "one chunk" : `${from(one, "in").length} chunks`}, and no line took three.`,
  },
  {
    id: "half", title: "Half-close and still read the reply",
    goal: "Send a question without a newline, close only your sending side, and get the answer after your FIN.",
    why: "A connection has two directions, and each is closed on its own. Your FIN says that no more comes from you; what comes to you still does. Here the FIN is also what ends the message, so the answer can only come after it.",
    terminal: "printf 'how are u' | nc -N HOST PORT",
    plan: { service: "answer", text: "how are u", closing: false, end: "halfClose" },
    done: some((one) => stream(one) && hasReplyAfterFIN(one.conversation)),
    almost: (one) => (one.reason === "client FIN" ? "Your FIN came, but nothing was answered after it: leave out the newline." : "No FIN of yours has come yet."),
  },
  {
    id: "reset", title: "Reset instead of closing",
    goal: "End a connection with a RST rather than a FIN.",
    why: "A FIN says: that was all. A RST says: this connection is gone, forget what was on its way. Programs send one when they are killed with unread data, or when they ask for it (SO_LINGER with 0 s). The server must tell the two apart.",
    terminal: "python3 -c \"import socket, struct; s = socket.create_connection(('HOST', PORT)); s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()\"",
    plan: { service: "echo", text: "forget me", end: "reset" },
    done: some((one) => one.conversation.reason === "client RST"),
    almost: (one) => (one.reason === null ? "It is still open." : `It ended by ${one.reason}, which is no reset of yours.`),
  },
  {
    id: "chat", title: "Make two clients chat",
    goal: "Let two clients be in the chat at once, and each hear what the other says.",
    why: "A server may send at any time, not only in answer. A client that only reads after it has written would miss what others say.",
    terminal: "nc HOST PORT     (in two terminals; say something in each)",
    plan: { service: "chat", text: "/nick ann\nhello ben\nI must go", cut: "lines", pauseMs: 500 },
    also: { service: "chat", text: "/nick ben\nhello ann\nso must I", cut: "lines", pauseMs: 600 },
    done: (all) => {
      const people = all.map((one) => one.conversation).filter((one) => one.service === "chat");
      return people.find((one) => people.some((other) => other !== one && hears(one, other) && hears(other, one)));
    },
    almost: (one) => (one.service === "chat" ? "One is there; each of two must hear the other." : "That is not the chat."),
  },
  {
    id: "lost", title: "Lose a datagram",
    goal: "Send a datagram that gets no reply, and see the silence.",
    why: "UDP promises nothing. A datagram that is lost, one that is dropped, and one that nobody answers all look the same to whoever sent it: nothing comes. Only a timeout of your own tells. The service receive takes datagrams and never replies.",
    terminal: "printf 'anybody?' | nc -u -w 1 HOST PORT",
    plan: { service: "receive", kind: "udp", text: "anybody?", closing: false },
    done: some(({ conversation, still }) => conversation.kind === "udp" && conversation.chunks.length > 0
      && !conversation.chunks.some((one) => one.direction === "out") && (still > 1500 || conversation.reason !== null)),
    almost: (one) => (one.kind !== "udp" ? "That was a connection; a datagram needs UDP."
      : from(one, "out").length ? "That one was answered: send it to receive." : "It has arrived. Now wait for what does not come."),
  },
  {
    id: "joined", title: "See two messages arrive as one",
    goal: "Make two lines arrive in one chunk.",
    why: "What was written in two pieces may be read as one: the receiver's system gives the program whatever is there. So a server must look for more than one message in what it reads, and a client for more than one answer.",
    terminal: "printf 'how are u\\nhow old are u\\n' | nc -N HOST PORT",
    plan: { service: "answer", text: "how are u\nhow old are u", cut: "one" },
    done: some((one) => stream(one) && one.conversation.service !== "hello"
      && from(one.conversation, "in").some((chunk) => newlines(chunk.data) >= 2)),
    almost: (one) => `No chunk of its ${from(one, "in").length} had two lines in it.`,
  },
];

function hasReplyAfterFIN(conversation) {
  const fin = conversation.chunks.findIndex((one) => one.direction === "in" && !one.data.length);
  return fin >= 0 && conversation.reason === "client FIN"
    && conversation.chunks.slice(fin).some((one) => one.direction === "out" && one.data.length);
}

/** Has `one` heard what `other` said? */
function hears(one, other) {
  const heard = lines(one).filter((line) => line.from === "server").map((line) => text(line.data));
  return lines(other).some((line) => line.from === "client" && !/^\/|^$/.test(text(line.data))
    && heard.some((said) => said.endsWith(`: ${text(line.data)}`)));
}
