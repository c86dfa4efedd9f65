"""What every generator does with its files: write them, or with --check only compare."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAILED, USAGE = 1, 2


def main(
    made: Callable[[], Mapping[Path, str]],
    arguments: list[str],
    script: str,
    doc: str | None,
    *,
    there: Iterable[Path] = (),
) -> int:
    """Write the files that `made` gives, path to content; the exit code.

    With `--check` nothing is written, and a file that would change fails. Files of `there` that are
    not made any more are taken away. `script` is the generator's file, `doc` its usage.
    """
    check = arguments == ["--check"]
    if arguments and not check:
        print(doc, file=sys.stderr)
        return USAGE
    wanted = made()
    changed = [
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    gone = sorted(set(there) - wanted.keys())
    names = ", ".join(str(path.relative_to(ROOT)) for path in (*changed, *gone))
    if check:
        if names:
            print(f"out of date: {names}; run scripts/{Path(script).name}", file=sys.stderr)
        return FAILED if names else 0
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8")
    for path in gone:
        path.unlink()
    if names:
        print(f"written: {names}")
    return 0
