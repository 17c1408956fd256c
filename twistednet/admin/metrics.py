"""`/metrics`: what the daemon has counted, for Prometheus.

All of it is read off plain counters when somebody asks. No label ever has text of a
peer's, so that nobody outside can make up series.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from twistednet.admin.health import VERSIONS
from twistednet.admin.interfaces import DaemonAPI
from twistednet.admin.lag import Lag
from twistednet.admin.replies import Reply
from twistednet.admin.routing import APIRequest, Route
from twistednet.admin.totals import totals
from twistednet.core.metrics import Histogram

PREFIX = "twistednet_"
_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
_SERVICE, _STATE, _REASON, _LIMIT, _FAULT = (
    ("service",),
    ("service", "state"),
    ("service", "reason"),
    ("service", "limit"),
    ("service", "fault"),
)
_NAME = re.compile("[a-z][a-z0-9_]*")


class MetricsPage:
    """The registry of one daemon, and its page `/metrics`."""

    def __init__(self, daemon: DaemonAPI, lag: Lag) -> None:
        self._daemon = daemon
        self._lag = lag
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def routes(self) -> tuple[Route, ...]:
        return (Route("GET", "/metrics", self.page, isOpen=True),)

    def page(self, request: APIRequest) -> Reply:
        return Reply(generate_latest(self._registry), _FORMAT)

    def collect(self) -> Iterator[Metric]:
        taken = set()
        for family in (*self._ofDaemon(), *self._ofConnections()):
            taken.add(family.name)
            yield family
        for name, samples in self._ofServices().items():
            family = _family(name, "See the service's own documentation.", ("service",), samples)
            if family.name not in taken:
                yield family

    def _ofDaemon(self) -> Iterator[Metric]:
        daemon = self._daemon
        yield _family(
            "build_info", "What runs here.", tuple(VERSIONS), {tuple(VERSIONS.values()): 1}
        )
        yield _family("draining", "1 once the daemon is stopping.", (), {(): daemon.stopping})
        listeners = Counter((service.name, "up") for service, *_ in daemon.ports)
        listeners.update((name, "down") for name, _ in daemon.ports.down())
        yield _family("listeners", "Sockets that listen, or should.", _STATE, listeners)
        yield _family("loop_lag_seconds", "How late the reactor is.", (), {(): self._lag.seconds})

    def _ofConnections(self) -> Iterator[Metric]:
        daemon, done, tally = self._daemon, totals(self._daemon), self._daemon.tally
        for name, what, attribute in (
            ("connections_open", "Connections now.", "open"),
            ("connections_opened_total", "Connections accepted.", "opened"),
            ("received_bytes_total", "Bytes from clients, as on the wire.", "bytesIn"),
            ("sent_bytes_total", "Bytes to clients, as on the wire.", "bytesOut"),
        ):
            samples = {(service,): getattr(total, attribute) for service, total in done.items()}
            yield _family(name, what, _SERVICE, samples)
        yield _family(
            "connections_closed_total",
            "Connections by how they ended.",
            _REASON,
            tally.closed,
        )
        dropped = {
            (service, reason): count[reason]
            for service, count in daemon.ports.datagrams().items()
            for reason in ("unsent", "unread")
        }
        yield _family(
            "datagrams_dropped_total", "What the kernel would not take, or give.", _REASON, dropped
        )
        yield _family("refused_total", "Turned away, by the limit.", _LIMIT, tally.refused)
        yield _family("faults_total", "Times that a fault acted.", _FAULT, tally.faulted)

    def _ofServices(self) -> dict[str, dict[tuple[str, ...], Any]]:
        """Return the metrics of services: by name, and then by label values.

        A value that is not a number or a Histogram is left out, and so is one of another kind
        than the first of that name.
        """
        found: dict[str, dict[tuple[str, ...], Any]] = {}
        for service, count in self._daemon.ports.datagrams().items():
            # A datagram is a message.
            found.setdefault("received_messages_total", {})[(service,)] = count["datagramsIn"]
            found.setdefault("sent_messages_total", {})[(service,)] = count["datagramsOut"]
        for service, metrics in self._daemon.ports.metrics():
            for name, value in metrics.items():
                isFigure = isinstance(value, int | float | Histogram)
                if not (isFigure and isinstance(name, str) and _NAME.fullmatch(name)):
                    continue
                samples = found.setdefault(name, {})
                if {isinstance(one, Histogram) for one in samples.values()} <= {
                    isinstance(value, Histogram)
                }:
                    samples[(service,)] = value
        return found


def _family(name: str, what: str, labels: tuple[str, ...], samples: Mapping[Any, Any]) -> Metric:
    """Return the metric family of a name; its kind follows from name and values."""
    name = PREFIX + name
    if any(isinstance(value, Histogram) for value in samples.values()):
        histograms = HistogramMetricFamily(name, what, labels=labels)
        for values, one in samples.items():
            bounds = [*map(str, one.bounds), "+Inf"]
            histograms.add_metric(values, list(zip(bounds, one.cumulated(), strict=True)), one.sum)
        return histograms
    kind: Any = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    family: Metric = kind(name, what, labels=labels)
    for values, value in samples.items():
        family.add_metric(values, value)  # type: ignore[attr-defined]
    return family
