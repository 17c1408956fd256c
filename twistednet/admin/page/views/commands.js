// Commands that talk to a service from a terminal, ready to be copied.

/** @typedef {import("../lib/api.js").Address} Address */

/** Data for each built-in service; others get a greeting. */
const PAYLOADS = {
  echo: "This is a test message\\n",
  answer: "how are u\\n",
  chat: "hello\\nbyebye\\n",
  datagram: "hello",
  receive: "hello\\n",
};

export const TOOLS = /** @type {[string, string][]} */ (
  [["nc", "nc"], ["curl", "curl"], ["python", "Python"], ["twisted", "Twisted"]]
);

/** @param {string} service @param {Address} at @param {string} tool
 * @returns {string | null} null if the tool cannot talk to this service */
export function command(service, at, tool) {
  const text = PAYLOADS[service] ?? "hello\\n";
  const payload = service === "hello" ? "GET / HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n" : text;
  return { nc, curl, python, twisted }[tool](service, at, at.kind, payload);
}

function nc(service, at, kind, payload) {
  if (kind === "unix") return `printf '${payload}' | nc -N -U ${at.path}`;
  if (kind === "tls") return `printf '${payload}' | openssl s_client -quiet -connect ${bracketed(at)}`;
  return `printf '${payload}' | nc ${kind === "udp" ? "-u -w 1" : "-N"} ${at.host} ${at.port}`;
}

function curl(service, at, kind, payload) {
  if (kind === "udp") return null;
  const scheme = kind === "tls" ? "https" : "http";
  if (service === "hello") {
    return kind === "unix"
      ? `curl --unix-socket ${at.path} http://localhost/`
      : `curl -i ${kind === "tls" ? "-k " : ""}'${scheme}://${bracketed(at)}/?name=Michael'`;
  }
  if (kind !== "tcp") return null;
  return `printf '${payload}' | curl -s -m 2 telnet://${bracketed(at)}`;
}

function python(service, at, kind, payload) {
  if (kind === "udp") {
    return [
      "import socket",
      "",
      `with socket.socket(${family(at)}, socket.SOCK_DGRAM) as client:`,
      "    client.settimeout(1)",
      `    client.sendto(b"${payload}", ("${at.host}", ${at.port}))`,
      service === "receive" ? null : "    print(client.recv(65536))",
    ].filter((line) => line !== null).join("\n");
  }
  const connect = kind === "unix"
    ? ["with socket.socket(socket.AF_UNIX) as client:", `    client.connect("${at.path}")`]
    : [`with socket.create_connection(("${at.host}", ${at.port})) as ${kind === "tls" ? "plain" : "client"}:`];
  if (kind === "tls") {
    connect.push("    client = ssl._create_unverified_context().wrap_socket(plain)");
  }
  return [
    kind === "tls" ? "import socket\nimport ssl" : "import socket",
    "",
    ...connect,
    `    client.sendall(b"${payload}")`,
    kind === "tls" ? null : "    client.shutdown(socket.SHUT_WR)",
    "    while data := client.recv(4096):",
    "        print(data)",
  ].filter((line) => line !== null).join("\n");
}

function twisted(service, at, kind, payload) {
  if (kind === "udp") return twistedDatagram(service, at, payload);
  if (kind === "tls") return null;
  const where = kind === "unix" ? `unix:${at.path}` : `tcp:${at.host.replaceAll(":", "\\\\:")}:${at.port}`;
  return [
    "from twisted.internet import reactor",
    "from twisted.internet.endpoints import clientFromString, connectProtocol",
    "from twisted.internet.protocol import Protocol",
    "",
    "",
    "class Client(Protocol):",
    "    def connectionMade(self):",
    `        self.transport.write(b"${payload}")`,
    "        self.transport.loseWriteConnection()",
    "",
    "    def dataReceived(self, data):",
    "        print(data)",
    "",
    "    def connectionLost(self, reason):",
    "        reactor.stop()",
    "",
    "",
    `connectProtocol(clientFromString(reactor, "${where}"), Client())`,
    "reactor.run()",
  ].join("\n");
}

function twistedDatagram(service, at, payload) {
  const end = service === "receive"
    ? ["        reactor.callLater(0.1, reactor.stop)"]
    : ["", "    def datagramReceived(self, data, address):", "        print(data)", "        reactor.stop()"];
  return [
    "from twisted.internet import reactor",
    "from twisted.internet.protocol import DatagramProtocol",
    "",
    "",
    "class Client(DatagramProtocol):",
    "    def startProtocol(self):",
    `        self.transport.write(b"${payload}", ("${at.host}", ${at.port}))`,
    ...end,
    "",
    "",
    `reactor.listenUDP(0, Client()${at.host.includes(":") ? ', interface="::1"' : ""})`,
    "reactor.run()",
  ].join("\n");
}

function bracketed(at) {
  return `${at.host.includes(":") ? `[${at.host}]` : at.host}:${at.port}`;
}

function family(at) {
  return at.host.includes(":") ? "socket.AF_INET6" : "socket.AF_INET";
}
