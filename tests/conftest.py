"""What every test shares: a home of its own, no colour, no wandering environment, named skips."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import places

# What a property says does not depend on how busy the machine is.
settings.register_profile("nexctl", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("nexctl")

# A shell starts what it puts into the background with interrupts ignored, and everything that such
# a run starts inherits that: tests that interrupt a program need them back.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REQUIRE_TOOLS = os.environ.get("NEXCTL_REQUIRE_TOOLS") == "1"


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "where the gateways that scenarios make keep their ledger"
    parser.addoption("--gateways-on", choices=places.CHOICES, default="sqlite", help=told)


@pytest.fixture(scope="session", autouse=True)
def gateways_on(request: pytest.FixtureRequest) -> Iterator[None]:
    """Scenarios are the same on both databases: one option moves all of their gateways."""
    with places.on(request.config.getoption("--gateways-on")):
        yield


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point every folder that nexctl may read or write at a fresh one."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in list(os.environ):
        if name.startswith(("NEXCTL_", "XDG_")) and name != "NEXCTL_REQUIRE_TOOLS":
            monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "CLICOLOR", "GITHUB_ACTIONS", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    return home


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Where tools are required, a skip that names a missing tool is a failure."""
    report = yield
    if REQUIRE_TOOLS and report.skipped and "needs " in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"skipped, but every tool is required here: {report.longrepr}"
    return report
