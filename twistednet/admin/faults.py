"""`/api/v1/faults`: the active rules, what each has done, and how to change them."""

from __future__ import annotations

from collections.abc import Mapping

from twistednet.admin.interfaces import DaemonAPI
from twistednet.admin.replies import APIError, Reply, jsonReply
from twistednet.admin.routing import APIRequest, Route
from twistednet.core.text import hostOf, ipAddress
from twistednet.faults.active import ActiveFault
from twistednet.faults.grammar import BadFault, parse
from twistednet.faults.model import FaultKind
from twistednet.faults.rules import QUALIFIERS, Rule
from twistednet.inject.injector import FaultInjector
from twistednet.transport.httprequest import BoundedRequest

#: Rules that may be active at once.
MAX_RULES = 100


class FaultsAPI:
    """The routes of `/api/v1/faults`. A wrong rule changes nothing."""

    def __init__(self, daemon: DaemonAPI) -> None:
        self._daemon = daemon

    @property
    def _faults(self) -> FaultInjector:
        return self._daemon.connections.faults

    def routes(self) -> tuple[Route, ...]:
        path = "/api/v1/faults"
        return (
            Route("GET", path, self.all),
            Route("GET", path + "/kinds", self.kinds),
            Route("PUT", path, self.replace),
            Route("POST", path, self.add),
            Route("DELETE", path + "/{id}", self.remove),
            Route("POST", path + "/{id}/reset", self.reset),
        )

    def all(self, request: APIRequest) -> Reply:
        faults = [self._shown(fault) for fault in self._faults.active]
        return jsonReply({"faults": faults, "you": _addressOf(request.request)})

    def kinds(self, request: APIRequest) -> Reply:
        """Return what rules can say. A kind is for the services that have one of its carriers."""
        serving = {service.name for service, _, _ in self._daemon.ports}
        grammar = self._daemon.grammar
        return jsonReply(
            {
                "kinds": [*map(_described, grammar.kinds)],
                "choices": [form.text for forms in QUALIFIERS.values() for form in forms],
                "services": {
                    name: [*carried]
                    for name, carried in (grammar.services or {}).items()
                    if name in serving
                },
            }
        )

    def replace(self, request: APIRequest) -> Reply:
        """Replace all rules, with the counts of those that stay reset."""
        self._change(self._wanted(request), isReset=True)
        return self.all(request)

    def add(self, request: APIRequest) -> Reply:
        """Add rules after the active ones, which stay as they are."""
        wanted, before = self._wanted(request), [fault.rule for fault in self._faults.active]
        self._change([*before, *wanted])
        added = [*self._faults.active][len(before) :]
        return jsonReply({"faults": [*map(self._shown, added)]}, 201)

    def remove(self, request: APIRequest) -> Reply:
        gone = self._found(request)
        self._change([fault.rule for fault in self._faults.active if fault is not gone])
        return self.all(request)

    def reset(self, request: APIRequest) -> Reply:
        """Reset the counts and the random numbers of a rule."""
        fault = self._found(request)
        fault.reset()
        return jsonReply(self._shown(fault))

    def _shown(self, fault: ActiveFault) -> dict[str, object]:
        """Return the JSON of an active rule; its `rule` gives the same faults again."""
        return {
            "id": fault.id,
            "rule": str(fault),
            "service": fault.rule.service,
            "kind": fault.rule.kind.name,
            "seed": fault.seed,
            "seen": fault.seen,
            "acted": fault.acted,
            "over": self._faults.isOver(fault),
        }

    def _wanted(self, request: APIRequest) -> list[Rule]:
        texts = field(request.body(), "rules")
        if not isinstance(texts, list):
            raise APIError(400, "rules is a list of rules")
        return [self._parsed(text) for text in texts]

    def _change(self, rules: list[Rule], isReset: bool = False) -> None:
        if len(rules) > MAX_RULES:
            raise APIError(409, f"{MAX_RULES} rules may be active at once")
        self._faults.replace(rules, isReset)

    def _parsed(self, text: object) -> Rule:
        if not isinstance(text, str):
            raise APIError(400, "a rule is a text, as in echo: latency 100ms")
        try:
            return parse(text, self._daemon.grammar)
        except BadFault as why:
            # 409, as for wrong settings: the request is well formed, but cannot be met.
            raise APIError(409, str(why)) from None

    def _found(self, request: APIRequest) -> ActiveFault:
        for fault in self._faults.active:
            if fault.id == request.id():
                return fault
        raise APIError(404, "no such rule is active")


def _described(kind: FaultKind) -> dict[str, object]:
    return {
        "form": kind.form.text,
        "values": kind.form.types,
        "counts": kind.counts,
        "direction": kind.direction,
        "carriers": sorted(kind.carriers),
    }


def _addressOf(request: BoundedRequest) -> str | None:
    """Return the client's address as a rule's `from` has it; None over a UNIX socket."""
    host = hostOf(request.getClientAddress())
    return None if host is None else str(ipAddress(host))


def field(body: object, name: str) -> object:
    """Return the one field of a JSON object. Raises APIError."""
    if not isinstance(body, Mapping) or set(body) != {name}:
        raise APIError(400, f"the body is an object with {name} alone")
    return body[name]
