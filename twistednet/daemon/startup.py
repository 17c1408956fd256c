"""The table at start: what listens where, and a command to try it."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.address import UNIXAddress

from twistednet.core.text import addressText
from twistednet.services.catalog import Service
from twistednet.transport.endpoints import Endpoint
from twistednet.transport.interfaces import Address


def table(ports: Iterable[tuple[Service, Endpoint, Address]]) -> str:
    """Return the table: a row for each open port with its service, address and command."""
    rows = [("service", "address", "try it")]
    rows += [
        (service.name, _where(endpoint, host), _tryIt(service, endpoint, host))
        for service, endpoint, host in ports
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "\n".join(f"{row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]}" for row in rows)


def _where(endpoint: Endpoint, host: Address) -> str:
    kind = endpoint.kind if endpoint.kind in ("ssl", "tls", "udp", "haproxy") else ""
    return f"{kind} {addressText(host)}".strip()


def _tryIt(service: Service, endpoint: Endpoint, host: Address) -> str:
    if isinstance(host, UNIXAddress):
        return f"nc -U {(host.name or b'').decode(errors='replace')}"
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.host, host.host)
    bracketed = f"[{address}]" if ":" in address else address
    if endpoint.kind in ("ssl", "tls"):
        return f"openssl s_client -quiet -connect {bracketed}:{host.port}"
    if service.client is not None:
        return service.client.replace("HOST", bracketed).replace("PORT", str(host.port))
    return f"nc {'-u ' if endpoint.isDatagram else ''}{address} {host.port}"
