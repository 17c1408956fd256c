// The six lessons: their texts, and the checks that find the conversation that completes each.

import { plural } from "../lib/format.js";
import { messages } from "../wire/steps.js";

/** @typedef {import("../lib/api.js").Conversation} Conversation */
/**
 * @typedef {{id: string, title: string, goal: string, background: string, command: string,
 *   plan: Partial<import("../lib/plans.js").Plan>, secondPlan?: Partial<import("../lib/plans.js").Plan>,
 *   done: (all: Observed[]) => Conversation | undefined, hint: (one: Conversation) => string}} Lesson
 * @typedef {{conversation: Conversation, quietMs: number}} Observed `quietMs`: milliseconds since its last change
 */

const isStream = ({ conversation }) => conversation.kind !== "udp";
const chunksFrom = (conversation, direction) => conversation.chunks.filter((one) => one.direction === direction && one.data.length);
const newlines = (data) => data.reduce((count, byte) => count + (byte === 10), 0);
const text = (data) => new TextDecoder().decode(data).trim();

/** The first conversation that passes the test, if any. */
const firstThat = (test) => (all) => all.find(test)?.conversation;

/** @type {Lesson[]} */
export const LESSONS = [
  {
    id: "split", title: "Send one line in three writes",
    goal: "Make one line, ended by a newline, arrive in three chunks or more.",
    background: "TCP is a stream of bytes. It does not keep the boundaries of your writes, so a server must work for every split: it waits for the newline. Pause between the writes, or they arrive together; but for less than 100 ms, after which answer takes what has arrived for a message without a newline.",
    command: "(printf 'how '; sleep .03; printf 'are '; sleep .03; printf 'u\\n') | nc -N HOST PORT",
    plan: { service: "answer", text: "how |are |u", cut: "separators", pauseMs: 30 },
    done: firstThat((one) => isStream(one) && messages(one.conversation).some((line) =>
      line.from === "client" && line.last - line.first >= 2 && line.ending === "line")),
    hint: (one) => `It arrived in ${plural(chunksFrom(one, "in").length, "chunk")}, and ${one.messages.some(({ ending }) => ending === "pause") ? "a pause ended a message" : "no line came in three"}.`,
  },
  {
    id: "half", title: "Half-close and still read the reply",
    goal: "Send a question without a newline, close only your sending side, and get the answer after your FIN.",
    background: "A connection has two directions, and each is closed on its own. Your FIN ends what you send; you can still receive. Here the FIN also ends the message, so the answer comes only after it.",
    command: "printf 'how are u' | nc -N HOST PORT",
    plan: { service: "answer", text: "how are u", finalNewline: false, end: "halfClose" },
    done: firstThat((one) => isStream(one) && hasReplyAfterFIN(one.conversation)),
    hint: (one) => (one.reason === "client FIN" ? "Your FIN arrived, but no answer followed it: leave out the newline." : "No FIN from the client has arrived yet."),
  },
  {
    id: "reset", title: "Reset instead of closing",
    goal: "End a connection with a RST rather than a FIN.",
    background: "A FIN ends a stream in order. A RST aborts the connection, and data that is still on its way is lost. The system sends a RST when a program is killed with unread data, or when the program requests it (SO_LINGER with 0 s). The server must distinguish the two.",
    command: "python3 -c \"import socket, struct; s = socket.create_connection(('HOST', PORT)); s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()\"",
    plan: { service: "echo", text: "forget me", end: "reset" },
    done: firstThat((one) => one.conversation.reason === "client RST"),
    hint: (one) => (one.reason === null ? "It is still open." : `It ended with ${one.reason}, not with a RST from the client.`),
  },
  {
    id: "chat", title: "Make two clients chat",
    goal: "Connect two clients to the chat at once, and let each receive what the other sends.",
    background: "A server may send at any time, not only in answer to a message. A client that reads only after it has written gets the messages of others too late.",
    command: "nc HOST PORT     (in two terminals; type a line in each)",
    plan: { service: "chat", text: "/nick ann\nhello ben\nI must go", cut: "lines", pauseMs: 500 },
    secondPlan: { service: "chat", text: "/nick ben\nhello ann\nso must I", cut: "lines", pauseMs: 600 },
    done: (all) => {
      const chats = all.map((one) => one.conversation).filter((one) => one.service === "chat");
      return chats.find((one) => chats.some((other) => other !== one && receives(one, other) && receives(other, one)));
    },
    hint: (one) => (one.service === "chat" ? "One client is connected. Each of two must receive a line of the other." : "This connection is not to chat."),
  },
  {
    id: "lost", title: "Lose a datagram",
    goal: "Send a datagram that gets no reply, and see that nothing comes back.",
    background: "UDP guarantees no delivery. A datagram that is lost, one that is dropped and one that is not answered look the same to the sender: nothing comes back. Only a timeout of your own detects that. The service receive takes datagrams and never answers.",
    command: "printf 'anybody?' | nc -u -w 1 HOST PORT",
    plan: { service: "receive", kind: "udp", text: "anybody?", finalNewline: false },
    done: firstThat(({ conversation, quietMs }) => conversation.kind === "udp" && conversation.chunks.length > 0
      && !conversation.chunks.some((one) => one.direction === "out") && (quietMs > 1500 || conversation.reason !== null)),
    hint: (one) => (one.kind !== "udp" ? "This was a TCP connection; send a datagram over UDP."
      : chunksFrom(one, "out").length ? "This datagram was answered: send it to receive." : "The datagram has arrived. Wait: no answer may come."),
  },
  {
    id: "joined", title: "See two messages arrive as one",
    goal: "Make two lines arrive in one chunk.",
    background: "Two writes may be read as one: the receiving system gives the program whatever has arrived. So a server must look for more than one message in what it reads, and a client for more than one answer.",
    command: "printf 'how are u\\nhow old are u\\n' | nc -N HOST PORT",
    plan: { service: "answer", text: "how are u\nhow old are u", cut: "one" },
    done: firstThat((one) => isStream(one) && one.conversation.service !== "hello"
      && chunksFrom(one.conversation, "in").some((chunk) => newlines(chunk.data) >= 2)),
    hint: (one) => `It arrived in ${plural(chunksFrom(one, "in").length, "chunk")}, none with two lines.`,
  },
];

function hasReplyAfterFIN(conversation) {
  const fin = conversation.chunks.findIndex((one) => one.direction === "in" && !one.data.length);
  return fin >= 0 && conversation.reason === "client FIN"
    && conversation.chunks.slice(fin).some((one) => one.direction === "out" && one.data.length);
}

/** True if `one` has received a line that `other` sent. */
function receives(one, other) {
  const received = messages(one).filter((line) => line.from === "server").map((line) => text(line.data));
  return messages(other).some((line) => line.from === "client" && !/^\/|^$/.test(text(line.data))
    && received.some((shown) => shown.endsWith(`: ${text(line.data)}`)));
}
