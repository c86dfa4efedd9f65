"""What an account command on the gateway in this process costs before it does anything."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import PROGRAM, Nexctl

NEVER = ("rich", "httpx", "httpcore", "uvicorn", "starlette", "asyncio", "tiktoken", "typer.main")


def loaded_after(*argv: str) -> set[str]:
    """The modules of a process that ran a command line."""
    code = (
        "import sys; sys.argv = ['nexctl', *sys.argv[1:]]\n"
        "from nexctl.__main__ import main\n"
        "main()\n"
        "sys.stderr.write('\\n'.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *argv], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stderr.split("\n"))


@pytest.mark.parametrize(
    "argv", [("keys", "list"), ("wallet", "show"), ("budgets", "list"), ("keys", "show", "ci")]
)
def test_account_commands_load_no_network_and_no_loop(
    nexctl: Nexctl, argv: tuple[str, ...]
) -> None:
    nexctl("keys", "create", "--name", "ci", "-q")
    modules = loaded_after(*argv)
    assert "nexctl.server.app" in modules
    assert not modules & set(NEVER)


# What only charging, paying or catching up needs, and libraries that it would bring.
ELSEWHERE = (
    *("logging", "pathlib", "concurrent.futures", "socket", "nexctl.pricing.engine"),
    *("nexctl.server.ledger.holds", "nexctl.server.ledger.orders", "nexctl.server.costs.recording"),
    *("nexctl.server.payments.papers", "nexctl.server.payments.auto", "nexctl.gateways.port"),
)


@pytest.mark.parametrize("argv", [("keys", "list"), ("usage", "list"), ("models", "list")])
def test_what_only_reads_loads_nothing_that_charges(nexctl: Nexctl, argv: tuple[str, ...]) -> None:
    nexctl("keys", "list")
    modules = loaded_after(*argv)
    assert "nexctl.server.app" in modules
    assert not modules & set(ELSEWHERE)
    assert len(modules) <= 290


@pytest.mark.parametrize("argv", [("keys", "create", "--help"), ("gateway", "serve", "--help")])
def test_help_opens_nothing(argv: tuple[str, ...], own_home: Path) -> None:
    modules = loaded_after(*argv)
    assert not {"msgspec", "sqlite3", "json", *NEVER} & modules
    assert not (own_home / ".local").exists()


def test_an_offline_command_loads_nothing_of_a_gateway(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text("hello")
    modules = loaded_after("estimate", str(tmp_path / "p.md"))
    assert not {"msgspec", "sqlite3", "nexctl.cli.connect", "nexctl.server"} & modules


@pytest.mark.slow
def test_listing_keys_takes_at_most_15_times_an_empty_python(nexctl: Nexctl) -> None:
    nexctl("keys", "create", "--name", "ci", "-q")
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

    def seconds(*argv: str) -> float:
        started = time.perf_counter()
        subprocess.run(argv, env=environ, stdout=subprocess.DEVNULL, check=True, timeout=60)
        return time.perf_counter() - started

    for command in (("keys", "list"), ("wallet", "show")):
        seconds(str(PROGRAM), *command)
        ratios = [
            seconds(str(PROGRAM), *command) / seconds(sys.executable, "-c", "pass")
            for _ in range(15)
        ]
        assert statistics.median(ratios) <= 15, command
