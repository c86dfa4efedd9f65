"""Completion by the program itself, for a shell without the static script.

`_NEXCTL_COMPLETE=1 COMP_CWORD=N COMP_WORDS=...` (the words of the line, one a line or separated by
blanks, the program's name first) makes nexctl print the candidates for word N, one a line, and
nothing else. It reads one generated table and imports no command. The scripts in `shells` do the
same inside the shell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def answer(environ: Mapping[str, str]) -> str:
    """Candidates for the word under the cursor, one a line; empty where the question is none."""
    from nexctl.cli.completion_spec import SPEC

    text = environ.get("COMP_WORDS", "")
    words = text.split("\n") if "\n" in text else text.split(" ")
    number = environ.get("COMP_CWORD", "")
    index = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 0
    current = words[index] if index < len(words) else ""
    found, _files = candidates(SPEC, words[1:index], current, _reader(environ))
    return "".join(f"{word}\n" for word in found)


def candidates(
    spec: Mapping[str, Any], before: Sequence[str], current: str, cached: Any
) -> tuple[list[str], str]:
    """Words that may stand at the cursor and begin with `current`, and "files" or "folders".

    before  the words between the program's name and the cursor
    cached  function from a kind ("profiles") to the names known on this machine
    """
    path, expect, ended, placed = "", "", False, 0
    for word in before:
        if expect:
            expect = ""
        elif not ended and word == "--":
            ended = True
        elif not ended and word.startswith("-") and len(word) > 1:
            expect = _expects(spec["takes"].get(path, {}), word)
        elif path not in spec["commands"]:
            placed += 1
        else:
            name = spec["aliases"].get(path, {}).get(word, word)
            if name not in spec["commands"][path]:
                return [], ""
            path, ended = f"{path} {name}".lstrip(), False
    if expect:
        return _values(spec, expect, current, cached)
    if not ended and current.startswith("--") and "=" in current:
        option, _, value = current.partition("=")
        number = spec["takes"].get(path, {}).get(option)
        return _values(spec, number, value, cached) if number else ([], "")
    if not ended and current.startswith("-"):
        return _starting(spec["options"].get(path, ()), current), ""
    if path in spec["commands"]:
        return _starting(spec["commands"][path], current), ""
    number = _argument(spec["arguments"].get(path, "").split(), placed)
    return _values(spec, number, current, cached) if number else ([], "")


def _argument(numbers: list[str], placed: int) -> str:
    """The values of the argument that stands after `placed` others; a "+" repeats the last one."""
    many = numbers[-1:] == ["+"]
    numbers = numbers[:-1] if many else numbers
    if placed < len(numbers):
        return numbers[placed]
    return numbers[-1] if many else ""


def _expects(takes: Mapping[str, str], word: str) -> str:
    """The number of the values that the next word is, empty where `word` takes none."""
    if word.startswith("--"):
        return "" if "=" in word else takes.get(word, "")
    for position, letter in enumerate(word[1:], 2):
        number = takes.get(f"-{letter}")
        if number:
            return number if position == len(word) else ""
    return ""


def _values(
    spec: Mapping[str, Any], number: str, current: str, cached: Any
) -> tuple[list[str], str]:
    words, kinds, files = spec["values"][number]
    found = _starting(words, current)
    for kind in kinds.split():
        found.extend(_starting(cached(kind), current))
    return found, files


def _starting(words: Any, current: str) -> list[str]:
    return [word for word in words if word.startswith(current)]


def _reader(environ: Mapping[str, str]) -> Any:
    def read(kind: str) -> list[str]:
        import os

        from nexctl.settings.paths import cache_dir

        try:
            with open(os.path.join(cache_dir(environ), "complete", kind), encoding="utf-8") as file:
                return file.read().split("\n")[:-1]
        except (OSError, UnicodeDecodeError):
            return []

    return read
