#!/usr/bin/env python3
"""Draw docs/pictures: what the program prints on a terminal of 80 columns, as SVG.

Usage: build_pictures.py [--check]   `--check` writes nothing and fails where one would change.

The installed program runs on a pseudo-terminal in a home of its own, with the clock held at NOW; an
embedded gateway is first used for two weeks of that clock. Nothing that is shown is random, so the
pictures are the same on every machine. A picture has a light and a dark dress and follows the
reader's.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs/pictures"
COLUMNS, ROWS = 80, 60
COULD_NOT_RUN = 77
NOW = int(datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp())


class Scene(NamedTuple):
    """A picture: its file, and the words that are typed after `nexctl`."""

    name: str
    words: str


SCENES = (
    Scene("estimate", "estimate prompt.md --all-models --output-tokens 300"),
    Scene("compare", "prices compare gpt-4o gpt-4o-mini --on nextoken --on openai"),
    Scene("summary", "usage summary --by model"),
    Scene("chart", "usage summary --by day --chart"),
    Scene("budgets", "budgets list"),
    Scene("wallet", "wallet show"),
    Scene("runway", "wallet runway --usage used.csv --min-days 45"),
    Scene("audit", "usage audit october.csv"),
    Scene("doctor", "doctor"),
)

# Runs one command line, or several at given times, with the clock where it is told.
PROGRAM = """
import json, os, sys, time
held = [int(sys.argv[1])]
time.time = lambda: float(held[0])
time.time_ns = lambda: held[0] * 10**9
if sys.argv[2] == "story":
    import contextlib, io
    from nexctl.cli.run import run
    secrets = {}
    for held[0], words, keep, key in json.loads(sys.stdin.read()):
        if key:
            os.environ["NEXCTL_API_KEY"] = secrets[key]
        else:
            os.environ.pop("NEXCTL_API_KEY", None)
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = run([secrets.get(word, word) for word in words])
        if code:
            sys.exit(f"{words}: exit {code}: {said.getvalue()}")
        secrets[keep] = said.getvalue().splitlines()[-1].strip() if keep else ""
else:
    sys.argv = ["nexctl", *sys.argv[3:]]
    from nexctl.__main__ import main
    sys.exit(main())
"""

# Rich's own frame fetches a font; this one uses what the reader has.
FRAME = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; white-space: pre; }}
.frame {{ fill: BACKGROUND; stroke: #8888; }}
{styles}
</style>
<rect class="frame" x="1" y="1" width="99.8%" height="99.7%" rx="8"/>
<g transform="translate(10, 20)" class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</svg>
"""


def environment(home: str) -> dict[str, str]:
    """All that the program sees of this machine."""
    return {
        "HOME": home,
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "COLUMNS": str(COLUMNS),
        "NEXCTL_KEYRING": "0",
        "PYTHONUTF8": "1",
    }


def story() -> list[tuple[int, list[str], str, str]]:
    """(time, words, name for what it prints, key to use) of what happened before NOW."""
    day = 86_400
    steps: list[tuple[int, list[str], str, str]] = []

    def then(at: int, words: str, keep: str = "", key: str = "") -> None:
        steps.append((at, words.split(), keep, key))

    start = NOW - 15 * day
    then(start, "wallet topup 50 -o name", "order")
    then(start, "gateway pay order --yes")
    then(start, "keys create --name app --budget 0.15/month -q", "app")
    then(start, "keys create --name nightly --budget 0.02/month -q", "nightly")
    then(start, "budgets set 40/month")
    for back in range(14, 0, -1):
        at = NOW - back * day
        for number in range(1 + (back * 5) % 4):
            then(at + number, "chat prompt.md -m gpt-4o -q", key="app")
        then(at + 10, "chat prompt.md -q", key="nightly")
        if back % 3 == 0:
            then(at + 20, "chat prompt.md -m claude-sonnet-4 -q", key="app")
    return steps


def prepare(folder: Path) -> dict[str, str]:
    """Put the files of the scenes into `folder`, and let two weeks pass."""
    home = folder / "home"
    home.mkdir()
    environ = environment(str(home))
    (folder / "prompt.md").write_bytes((ROOT / "examples/support-reply.md").read_bytes())
    october = (ROOT / "examples/october.csv").read_text()
    billed_twice = "2026-10-07T09:06:00Z,req-007,gpt-4o,ok,5097,3567,238,0.0110903,"
    assert billed_twice in october
    (folder / "october.csv").write_text(
        october.replace(billed_twice, billed_twice.replace("0.0110903", "0.0157274"))
    )
    rows = ["created_at,charge,currency"]
    for back in range(40, 0, -1):
        when = datetime.fromtimestamp(NOW - back * 86_400, UTC)
        charge = (90 + back * 37 % 61) * (3 if when.weekday() < 5 else 1)
        rows.append(f"{when:%Y-%m-%dT%H:%M:%SZ},{charge // 300}.{charge % 300 * 10 // 3:03},USD")
    (folder / "used.csv").write_text("\n".join(rows) + "\n")
    subprocess.run(
        [sys.executable, "-c", PROGRAM, str(NOW), "story"],
        input=json.dumps(story()), text=True, cwd=folder, env=environ, check=True, timeout=300,
    )  # fmt: skip
    return environ


def screen(scene: Scene, folder: Path, environ: dict[str, str]) -> str:
    """What the terminal shows: the command as typed, then all that is printed."""
    import pexpect  # type: ignore[import-untyped]

    child = pexpect.spawn(
        sys.executable, ["-c", PROGRAM, str(NOW), "run", *scene.words.split()],
        encoding="utf-8", timeout=120, cwd=str(folder), env=environ, dimensions=(ROWS, COLUMNS),
    )  # fmt: skip
    child.expect(pexpect.EOF)
    printed: str = child.before
    child.close()
    # A progress line draws over itself; only what is left of it is seen.
    left = re.sub(r"\r\x1b\[K[^\r\n]*(?=\r\x1b\[K)|\r\x1b\[K", "", printed.replace("\r\n", "\n"))
    return f"\x1b[1m$ nexctl {scene.words}\x1b[0m\n{left.rstrip()}\n"


def svg(text: str, name: str) -> str:
    """The picture of a screen, in both dresses."""
    from rich.console import Console
    from rich.terminal_theme import TerminalTheme
    from rich.text import Text

    ink = {"light": ((255, 255, 255), (36, 41, 47)), "dark": ((22, 27, 34), (230, 237, 243))}
    red_green_magenta = {
        "light": ((179, 29, 40), (17, 99, 41), (130, 80, 223)),
        "dark": ((255, 123, 114), (86, 211, 100), (210, 168, 255)),
    }
    drawn = {}
    for dress, (paper, words) in ink.items():
        red, green, magenta = red_green_magenta[dress]
        colours = [words, red, green, words, words, magenta, words, words]
        theme = TerminalTheme(paper, words, colours, colours)
        console = Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor")
        console.print(Text.from_ansi(text), soft_wrap=True, end="")
        frame = FRAME.replace("BACKGROUND", "#{:02x}{:02x}{:02x}".format(*paper))
        drawn[dress] = console.export_svg(title="", theme=theme, code_format=frame, unique_id=name)
        drawn[dress] = re.sub(r' clip-path="[^"]*"', "", drawn[dress])
        drawn[dress] = re.sub(r"<text [^>]*>\n</text>", "\n", drawn[dress])
    style = re.search(r"<style>\n(.*?)</style>", drawn["dark"], re.S)
    assert style is not None
    dark = "\n".join(line for line in style[1].splitlines() if "fill:" in line)
    return drawn["light"].replace(
        "</style>", f"@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n</style>", 1
    )


def words_of(picture: str) -> str:
    """The text of a picture, for a message about what changed."""
    from html import unescape

    found = re.findall(r'<text [^>]*y="([\d.]+)"[^>]*>(.*?)</text>', picture)
    rows: dict[str, str] = {}
    for y, text in found:
        rows[y] = rows.get(y, "") + unescape(text).replace("\xa0", " ")
    return "\n".join(rows.values()) + "\n"


def main(arguments: list[str]) -> int:
    """Draw the pictures, or check them."""
    from difflib import unified_diff

    check = arguments == ["--check"]
    stale = False
    try:
        for side in os.openpty():
            os.close(side)
    except OSError as error:
        print(f"skipped: needs a pseudo-terminal: {error}", file=sys.stderr)
        return COULD_NOT_RUN
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        environ = prepare(Path(place))
        for scene in SCENES:
            path = PICTURES / f"{scene.name}.svg"
            there = path.read_text(encoding="utf-8") if path.exists() else ""
            drawn = svg(screen(scene, Path(place), environ), scene.name)
            if drawn == there:
                continue
            if not check:
                path.write_text(drawn, encoding="utf-8")
                continue
            stale = True
            before, after = (words_of(text).splitlines(True) for text in (there, drawn))
            sys.stderr.writelines(unified_diff(before, after, str(path), "as it is now"))
    left = {path.stem for path in PICTURES.glob("*.svg")} - {scene.name for scene in SCENES}
    if check and (stale or left):
        print("docs/pictures are out of date; run scripts/build_pictures.py", file=sys.stderr)
        return 1
    for name in left:
        (PICTURES / f"{name}.svg").unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
