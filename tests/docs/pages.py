"""Pages of documentation as programs: their command blocks, in order, with what they print.

A `console` block has commands after `$ ` and what they print below them; `...` stands for anything,
inside a line or as a line of its own for any lines. A `sh` block is only run. A command that must
fail says so: `nexctl diff main  # exit 9`. A comment before a block changes how it is run:

    <!-- not run: it needs a gateway elsewhere -->      it is only read
    <!-- prepare: printf hello > prompt.md -->          run first, not shown to the reader
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
_FENCE = re.compile(r"^```(\w*)\s*$")
_COMMENT = re.compile(r"^<!-- (not run|prepare): (.*?) -->$")
_EXIT = re.compile(r"\s+# exit (\d+)$")


class Step(NamedTuple):
    """One command: the line of the page that it stands on, its exit code, what it must print."""

    line: int
    command: str
    exit: int
    shown: tuple[str, ...] | None


def pages() -> list[Path]:
    """Every page that may hold commands; what is generated is checked by its generator."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in found if "reference" not in page.parts]


def steps_of(text: str) -> list[Step]:
    """The commands of a page, in order."""
    steps: list[Step] = []
    kind, body, comment, start = "", [], None, 0  # type: ignore[var-annotated]
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line.strip())
        if fence and not inside:
            inside, kind, body, start = True, fence[1], [], number
        elif fence and inside:
            inside = False
            if kind in ("console", "sh", "bash") and (comment or ("",))[0] != "not run":
                steps += _block(kind, body, start + 1)
            comment = None
        elif inside:
            body.append(line)
        elif found := _COMMENT.match(line.strip()):
            comment = (found[1], found[2])
            if found[1] == "prepare":
                steps.append(Step(number, found[2], 0, None))
        elif line.strip():
            comment = None
    return steps


def _block(kind: str, body: list[str], start: int) -> list[Step]:
    if kind != "console":
        return [_step(start, "\n".join(body), None)]
    steps: list[Step] = []
    shown: list[str] = []
    command, at = None, start
    for offset, line in enumerate([*body, "$ "]):
        if line.startswith("$ "):
            if command is not None:
                steps.append(_step(at, command, tuple(shown)))
            command, at, shown = line[2:], start + offset, []
        elif command is not None and command.endswith("\\"):
            command += "\n" + line
        else:
            shown.append(line)
    return steps


def _step(line: int, command: str, shown: tuple[str, ...] | None) -> Step:
    wanted = _EXIT.search(command)
    return Step(line, _EXIT.sub("", command), int(wanted[1]) if wanted else 0, shown)


def matches(shown: tuple[str, ...], printed: str) -> bool:
    """Whether what was printed is what the page shows; trailing blanks and blank ends aside."""
    pattern = ""
    lines = [line.rstrip() for line in shown]
    while lines and not lines[-1]:
        lines.pop()
    for line in lines:
        if line == "...":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part) for part in line.split("...")) + r"[ ]*\n"
    return re.fullmatch(pattern, printed.strip("\n") + "\n" if printed.strip() else "") is not None
