// Six exercises, and how to tell from the wire that one is done.

import { lines } from "../wire/steps.js";

/** @typedef {import("../lib/api.js").Conversation} Conversation */
/**
 * @typedef {{id: string, title: string, goal: string, background: string, command: string,
 *   plan: Partial<import("../lib/plans.js").Plan>, secondPlan?: Partial<import("../lib/plans.js").Plan>,
 *   done: (all: Observed[]) => Conversation | undefined, hint: (one: Conversation) => string}} Lesson
 * @typedef {{conversation: Conversation, quietMs: number}} Observed `quietMs`: milliseconds since it last moved
 */

const isStream = ({ conversation }) => conversation.kind !== "udp";
const chunksFrom = (conversation, direction) => conversation.chunks.filter((one) => one.direction === direction && one.data.length);
const newlines = (data) => data.reduce((count, byte) => count + (byte === 10), 0);
const text = (data) => new TextDecoder().decode(data).trim();

/** Which conversation, if any, does what the lesson asks for. */
const firstThat = (test) => (all) => all.find(test)?.conversation;

/** @type {Lesson[]} */
export const LESSONS = [
  {
    id: "split", title: "Send one line in three writes",
    goal: "Make one line, ended by a newline, arrive in three chunks or more.",
    background: "TCP is a stream of bytes. How you cut them into writes is not kept, and a server must be right for every cut: it waits for the newline. Pause between the writes, or they arrive together; but not for 100 ms, which is how answer tells the end of a message that has no newline.",
    command: "(printf 'how '; sleep .03; printf 'are '; sleep .03; printf 'u\\n') | nc -N HOST PORT",
    plan: { service: "answer", text: "how |are |u", cut: "separators", pauseMs: 30 },
    done: firstThat((one) => isStream(one) && lines(one.conversation).some((line) =>
      line.from === "client" && line.last - line.first >= 2 && line.data.at(-1) === 10)),
    hint: (one) => `It arrived in ${chunksFrom(one, "in").length === 1 ? "one chunk" : `${chunksFrom(one, "in").length} chunks`}, and no line took three.`,
  },
  {
    id: "half", title: "Half-close and still read the reply",
    goal: "Send a question without a newline, close only your sending side, and get the answer after your FIN.",
    background: "A connection has two directions, and each is closed on its own. Your FIN says that no more comes from you; what comes to you still does. Here the FIN is also what ends the message, so the answer can only come after it.",
    command: "printf 'how are u' | nc -N HOST PORT",
    plan: { service: "answer", text: "how are u", finalNewline: false, end: "halfClose" },
    done: firstThat((one) => isStream(one) && hasReplyAfterFIN(one.conversation)),
    hint: (one) => (one.reason === "client FIN" ? "Your FIN came, but nothing was answered after it: leave out the newline." : "No FIN of yours has come yet."),
  },
  {
    id: "reset", title: "Reset instead of closing",
    goal: "End a connection with a RST rather than a FIN.",
    background: "A FIN says: that was all. A RST says: this connection is gone, forget what was on its way. Programs send one when they are killed with unread data, or when they ask for it (SO_LINGER with 0 s). The server must tell the two apart.",
    command: "python3 -c \"import socket, struct; s = socket.create_connection(('HOST', PORT)); s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()\"",
    plan: { service: "echo", text: "forget me", end: "reset" },
    done: firstThat((one) => one.conversation.reason === "client RST"),
    hint: (one) => (one.reason === null ? "It is still open." : `It ended by ${one.reason}, which is no reset of yours.`),
  },
  {
    id: "chat", title: "Make two clients chat",
    goal: "Let two clients be in the chat at once, and each hear what the other says.",
    background: "A server may send at any time, not only in answer. A client that only reads after it has written would miss what others say.",
    command: "nc HOST PORT     (in two terminals; say something in each)",
    plan: { service: "chat", text: "/nick ann\nhello ben\nI must go", cut: "lines", pauseMs: 500 },
    secondPlan: { service: "chat", text: "/nick ben\nhello ann\nso must I", cut: "lines", pauseMs: 600 },
    done: (all) => {
      const chats = all.map((one) => one.conversation).filter((one) => one.service === "chat");
      return chats.find((one) => chats.some((other) => other !== one && receives(one, other) && receives(other, one)));
    },
    hint: (one) => (one.service === "chat" ? "One is there; each of two must hear the other." : "That is not the chat."),
  },
  {
    id: "lost", title: "Lose a datagram",
    goal: "Send a datagram that gets no reply, and see the silence.",
    background: "UDP promises nothing. A datagram that is lost, one that is dropped, and one that nobody answers all look the same to whoever sent it: nothing comes. Only a timeout of your own tells. The service receive takes datagrams and never replies.",
    command: "printf 'anybody?' | nc -u -w 1 HOST PORT",
    plan: { service: "receive", kind: "udp", text: "anybody?", finalNewline: false },
    done: firstThat(({ conversation, quietMs }) => conversation.kind === "udp" && conversation.chunks.length > 0
      && !conversation.chunks.some((one) => one.direction === "out") && (quietMs > 1500 || conversation.reason !== null)),
    hint: (one) => (one.kind !== "udp" ? "That was a connection; a datagram needs UDP."
      : chunksFrom(one, "out").length ? "That one was answered: send it to receive." : "It has arrived. Now wait for what does not come."),
  },
  {
    id: "joined", title: "See two messages arrive as one",
    goal: "Make two lines arrive in one chunk.",
    background: "What was written in two pieces may be read as one: the receiver's system gives the program whatever is there. So a server must look for more than one message in what it reads, and a client for more than one answer.",
    command: "printf 'how are u\\nhow old are u\\n' | nc -N HOST PORT",
    plan: { service: "answer", text: "how are u\nhow old are u", cut: "one" },
    done: firstThat((one) => isStream(one) && one.conversation.service !== "hello"
      && chunksFrom(one.conversation, "in").some((chunk) => newlines(chunk.data) >= 2)),
    hint: (one) => `No chunk of its ${chunksFrom(one, "in").length} had two lines in it.`,
  },
];

function hasReplyAfterFIN(conversation) {
  const fin = conversation.chunks.findIndex((one) => one.direction === "in" && !one.data.length);
  return fin >= 0 && conversation.reason === "client FIN"
    && conversation.chunks.slice(fin).some((one) => one.direction === "out" && one.data.length);
}

/** Has `one` heard what `other` said? */
function receives(one, other) {
  const heard = lines(one).filter((line) => line.from === "server").map((line) => text(line.data));
  return lines(other).some((line) => line.from === "client" && !/^\/|^$/.test(text(line.data))
    && heard.some((said) => said.endsWith(`: ${text(line.data)}`)));
}
