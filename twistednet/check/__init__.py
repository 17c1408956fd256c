"""Checks of a server, ours or not, against the rules of its service.

`netdemo check` runs them. Another package adds the checks of its own service with an entry
point in the group `twistednet.checks` that names a `ServiceChecks`.
"""

from twistednet.check.catalog import loadChecks
from twistednet.check.conformance import TimeLimits, conform
from twistednet.check.connections import addConnectionChecks
from twistednet.check.model import Check, Checklist, Result, ServiceChecks
from twistednet.check.probe import Failed, NotApplicable, Probe

__all__ = [
    "Check",
    "Checklist",
    "Failed",
    "NotApplicable",
    "Probe",
    "Result",
    "ServiceChecks",
    "TimeLimits",
    "addConnectionChecks",
    "conform",
    "loadChecks",
]
