"""`/api/v1/faults`: the rules in force, with what each has done, and how to change them."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from twistednet.admin.replies import APIError, Reply, jsonReply
from twistednet.admin.routing import APIRequest, Route
from twistednet.core.text import hostOf
from twistednet.faults.active import ActiveFault
from twistednet.faults.grammar import BadFault, parse
from twistednet.faults.model import FaultKind
from twistednet.faults.rules import CHOICES, Rule
from twistednet.inject.injector import FaultInjector

#: Rules that may be in force at once.
MOST = 100


class FaultsAPI:
    """A rule that is wrong changes nothing."""

    def __init__(self, daemon: Any) -> None:
        self._daemon = daemon

    @property
    def _faulting(self) -> FaultInjector:
        faulting: FaultInjector = self._daemon.connections.faults
        return faulting

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

    def all(self, asked: APIRequest) -> Reply:
        faults = [self._shown(fault) for fault in self._faulting.inForce]
        return jsonReply({"faults": faults, "you": _addressOf(asked.request)})

    def kinds(self, asked: APIRequest) -> Reply:
        """What there is to be written into a rule. A kind is for the services that have one
        of its carriers."""
        serving = {service.name for service, _, _ in self._daemon.ports}
        grammar = self._daemon.grammar
        return jsonReply(
            {
                "kinds": [*map(_described, grammar.kinds)],
                "choices": [form.text for forms in CHOICES.values() for form in forms],
                "services": {
                    name: [*carried]
                    for name, carried in grammar.services.items()
                    if name in serving
                },
            }
        )

    def replace(self, asked: APIRequest) -> Reply:
        """All at once, and all anew: a rule that was in force has no counts any more."""
        self._change(self._wanted(asked), isAnew=True)
        return self.all(asked)

    def add(self, asked: APIRequest) -> Reply:
        """After what is in force, which stays as it is, whoever has asked for it."""
        wanted, before = self._wanted(asked), [fault.rule for fault in self._faulting.inForce]
        self._change([*before, *wanted])
        added = [*self._faulting.inForce][len(before) :]
        return jsonReply({"faults": [*map(self._shown, added)]}, 201)

    def remove(self, asked: APIRequest) -> Reply:
        gone = self._found(asked)
        self._change([fault.rule for fault in self._faulting.inForce if fault is not gone])
        return self.all(asked)

    def reset(self, asked: APIRequest) -> Reply:
        """Its counts and its draws begin anew."""
        fault = self._found(asked)
        fault.reset()
        return jsonReply(self._shown(fault))

    def _shown(self, fault: ActiveFault) -> dict[str, Any]:
        """One rule in force; what stands in `rule`, put into a rule, gives the same again."""
        return {
            "id": fault.id,
            "rule": str(fault),
            "service": fault.rule.service,
            "kind": fault.rule.kind.name,
            "seed": fault.seed,
            "seen": fault.seen,
            "acted": fault.acted,
            "over": self._faulting.isOver(fault),
        }

    def _wanted(self, asked: APIRequest) -> list[Rule]:
        texts = field(asked.body(), "rules")
        if not isinstance(texts, list):
            raise APIError(400, "rules is a list of rules")
        return [self._parsed(text) for text in texts]

    def _change(self, rules: list[Rule], isAnew: bool = False) -> None:
        if len(rules) > MOST:
            raise APIError(409, f"{MOST} rules may be in force at once")
        self._faulting.replace(rules, isAnew)

    def _parsed(self, text: Any) -> Rule:
        if not isinstance(text, str):
            raise APIError(400, "a rule is a text, as in echo: latency 100ms")
        try:
            return parse(text, self._daemon.grammar)
        except BadFault as why:
            # As for settings that are wrong: well said, and cannot be.
            raise APIError(409, str(why)) from None

    def _found(self, asked: APIRequest) -> ActiveFault:
        for fault in self._faulting.inForce:
            if fault.id == asked.id():
                return fault
        raise APIError(404, "no such rule is in force")


def _described(kind: FaultKind) -> dict[str, Any]:
    return {
        "form": kind.form.text,
        "values": kind.form.types,
        "counts": kind.counts,
        "direction": kind.direction,
        "carriers": sorted(kind.carriers),
    }


def _addressOf(request: Any) -> str | None:
    """Where who asks comes from, as a rule's `from` has it; None over a UNIX socket."""
    host = hostOf(request.getClientAddress())
    if host is None:
        return None
    address = ip_address(host.partition("%")[0])
    return str(getattr(address, "ipv4_mapped", None) or address)


def field(body: Any, name: str) -> Any:
    """What a body has that is an object with this alone. Raises Wrong."""
    if not isinstance(body, Mapping) or set(body) != {name}:
        raise APIError(400, f"the body is an object with {name} alone")
    return body[name]
