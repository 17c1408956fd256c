"""The pytest plugin with the fixture `netdemo`: servers to test a client against."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from twistednet.testing.parent import ChildProcess
from twistednet.testing.server import Netdemo

_NETDEMO: pytest.StashKey[Netdemo] = pytest.StashKey()


@pytest.fixture(scope="session")
def _netdemoProcess() -> Iterator[ChildProcess]:
    """One process for all tests (of an xdist worker). The first `serve` starts it."""
    process = ChildProcess()
    yield process
    process.close()


@pytest.fixture
def netdemo(request: pytest.FixtureRequest, _netdemoProcess: ChildProcess) -> Iterator[Netdemo]:
    """Servers to test a client against: netdemo.serve("echo"), ready when it returns."""
    netdemo = Netdemo(_netdemoProcess)
    request.node.stash[_NETDEMO] = netdemo
    yield netdemo
    netdemo.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the journal of the servers to the report of a failed test."""
    report = yield
    netdemo = item.stash.get(_NETDEMO, None)
    if report.failed and netdemo is not None:
        report.sections.append(("netdemo journal", netdemo.journal()))
    return report
