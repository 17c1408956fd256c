// What services there are, and what becomes of connections, as it happens.
// Peers' text is only ever set as text, never as markup.

const KEPT = 100;
const rows = { services: new Map(), connections: new Map() };

function show(table, key, cells) {
  let row = rows[table].get(key);
  if (!row) {
    row = document.createElement("tr");
    row.append(...cells.map(() => document.createElement("td")));
    rows[table].set(key, row);
    const body = document.getElementById(table);
    table === "connections" ? body.prepend(row) : body.append(row);
  }
  cells.forEach((cell, n) => {
    if (cell !== undefined) row.cells[n].textContent = cell;
  });
  if (rows.connections.size > KEPT) {
    const [oldest] = rows.connections.keys();
    rows.connections.get(oldest).remove();
    rows.connections.delete(oldest);
  }
}

function where({ kind, host, port, path }) {
  return `${kind} ${path ?? (host.includes(":") ? `[${host}]` : host) + ":" + port}`;
}

function showConnection({ id, service, peer, bytesIn, bytesOut, closed, reason }) {
  show("connections", id, [id, service, peer, bytesIn, bytesOut, closed ?? reason]);
}

async function get(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error((await response.json()).error);
  return response.json();
}

async function start() {
  const { services } = await get("/api/v1/services");
  for (const one of services) {
    show("services", one.name, [one.name, one.listeners.map(where).join(", "), one.open, 0, 0]);
  }
  const { connections } = await get(`/api/v1/connections?limit=${KEPT}`);
  connections.reverse().forEach(showConnection);
  const state = document.getElementById("state");
  const events = new EventSource("/api/v1/events");
  events.onopen = () => { state.textContent = "live"; };
  events.onerror = () => { state.textContent = "connecting again"; };
  for (const kind of ["opened", "closed"]) {
    events.addEventListener(kind, (event) => showConnection(JSON.parse(event.data)));
  }
  events.addEventListener("rates", (event) => {
    for (const [name, one] of Object.entries(JSON.parse(event.data).services ?? {})) {
      if (rows.services.has(name)) {
        show("services", name, [undefined, undefined, one.open, one.bytesIn, one.bytesOut]);
      }
    }
  });
}

start().catch((error) => { document.getElementById("state").textContent = error.message; });
