"""What a person sees: reports and lists on a real terminal, wide, narrow, poor, and read aloud."""

from __future__ import annotations

import csv
import datetime
import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nexctl.cli.tables import display_width
from tests.e2e.conftest import PROGRAM

CODES = re.compile(r"\x1b\[[0-9;]*m")
PROGRESS = re.compile(r"\r\x1b\[K[^\r\n]*(?=\r\x1b\[K)|\r\x1b\[K")
SCREENS = (
    "estimate prompt.md --all-models --output-tokens 300",
    "estimate prompt.md -m gpt-4o --on nextoken --on openai --on nexrelay",
    "prices compare gpt-4o --on nextoken --on openai --on nexrelay",
    "prices list",
    "models list",
    "usage summary --by key --by model",
    "usage summary --by day --chart",
    "usage list",
    "budgets list",
    "keys list",
    "wallet show",
    "wallet ledger",
    "wallet topups",
    "wallet runway --usage used.jsonl --min-days 50",
    "usage audit wrong.csv",
    "doctor",
)
DRAWN = set("█▏▎▍▌▋▊▉▁▂▃▄▅▆▇")
Look = Callable[..., str]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder and an environment with a gateway in use: keys, budgets, money, requests, a bill."""
    folder = tmp_path_factory.mktemp("shop")
    home = folder / "home"
    home.mkdir()
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("NEXCTL_", "XDG_", "LC_", "LANG", "NO_COLOR", "CI", "COLUMNS"))
    }
    environ |= {"HOME": str(home), "NEXCTL_KEYRING": "0", "LANG": "C.UTF-8", "TERM": "xterm"}

    def run(*words: str, **more: str) -> str:
        done = subprocess.run(
            [PROGRAM, *words], cwd=folder, env={**environ, **more}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
        return done.stdout.strip()

    (folder / "prompt.md").write_text("Summarise the ticket below in three sentences.\n" * 20)
    run("gateway", "pay", run("wallet", "topup", "50", "-o", "name"), "--yes")
    secret = run("keys", "create", "--name", "search-team-nightly", "--budget", "5/month", "-q")
    run("budgets", "set", "0.01/5h", "--key", "search-team-nightly")
    run("chat", "prompt.md", NEXCTL_API_KEY=secret)
    run("chat", "prompt.md", "-m", "claude-sonnet-4")
    run("usage", "export", "bill.csv")
    with (folder / "bill.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[0]["charge"] = "0.5"
    with (folder / "wrong.csv").open("w", newline="") as stream:
        sheet = csv.DictWriter(stream, list(rows[0]))
        sheet.writeheader()
        sheet.writerows(rows)
    now = datetime.datetime.now(datetime.UTC)
    with (folder / "used.jsonl").open("w") as stream:
        for back in range(41):
            at_time = (now - datetime.timedelta(days=back)).strftime("%Y-%m-%dT%H:%M:%SZ")
            row = {"created_at": at_time, "charge": "1.2345", "currency": "USD"}
            stream.write(json.dumps(row) + "\n")
    return folder, environ


@pytest.fixture
def look(shop: tuple[Path, dict[str, str]]) -> Look:
    pexpect = pytest.importorskip("pexpect", reason="needs pexpect")
    folder, environ = shop

    def run(words: str, width: int, **more: str) -> str:
        # The size is set in the terminal itself: pexpect does it after the program has begun.
        typed = shlex.quote(f"stty rows 60 cols {width}; exec {PROGRAM} {words}")
        text: str = pexpect.run(
            f"sh -c {typed}", timeout=120, encoding="utf-8", cwd=str(folder),
            env={**environ, **more}, dimensions=(60, width),
        )  # fmt: skip
        return PROGRESS.sub("", text.replace("\r\n", "\n"))

    return run


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("words", SCREENS)
def test_it_fits_a_terminal(look: Look, words: str, width: int) -> None:
    """Nothing runs into the next line; a path, an address or a command to copy may."""
    text = CODES.sub("", look(words, width))
    assert text.strip()
    for line in text.splitlines():
        too_long = display_width(line) > width
        assert not too_long or max(map(len, line.split())) > width - 30, line


@pytest.mark.parametrize("words", SCREENS)
def test_it_is_the_same_text_without_colour(look: Look, words: str) -> None:
    coloured, bare = look(words, 100), look(words, 100, NO_COLOR="1")
    assert not CODES.search(bare)
    assert "\x1b[1m" in coloured, "a terminal has it"
    fixed = [re.sub(r"\d", "0", text) for text in (CODES.sub("", coloured), bare)]
    assert fixed[0] == fixed[1]


@pytest.mark.parametrize("words", SCREENS)
def test_only_colours_that_can_be_read_on_dark_and_on_light(look: Look, words: str) -> None:
    codes = {code for found in CODES.findall(look(words, 100)) for code in found[2:-1].split(";")}
    assert codes <= {"0", "1", "2", "31", "32", "35"}, "no yellow, cyan, blue, white or black"


@pytest.mark.parametrize("words", SCREENS)
def test_in_the_c_locale_it_is_ascii(look: Look, words: str) -> None:
    assert look(words, 80, LC_ALL="C").isascii()


@pytest.mark.parametrize("words", SCREENS)
def test_read_aloud_there_are_words_and_no_pictures(look: Look, words: str) -> None:
    text = look(words, 80, NEXCTL_PLAIN="1")
    assert not DRAWN & set(text)
    assert "···" not in text
    assert "…" not in text, "nothing is cut"


@pytest.mark.parametrize(
    "words", [words for words in SCREENS if words.split()[0] in ("prices", "budgets", "wallet")]
)
def test_pictures_are_for_terminals(
    look: Look, shop: tuple[Path, dict[str, str]], words: str
) -> None:
    folder, environ = shop
    done = subprocess.run(
        [PROGRAM, *words.split()], cwd=folder, env=environ, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert not DRAWN & set(done.stdout)
    drawn = words.split()[1] in ("compare", "runway", "show") or words == "budgets list"
    assert bool(DRAWN & set(look(words, 80))) is drawn


def test_a_budget_shows_how_full_it_is(look: Look) -> None:
    text = CODES.sub("", look("budgets list", 120))
    assert re.search(r"key search-team-nightly  5h +\$\S+ +\$0\.0100 +\d+%  [█▏▎▍▌▋▊▉]+·+ ", text)
    assert re.search(r"USED +RESETS +ID$|RESETS$", text.splitlines()[0])
