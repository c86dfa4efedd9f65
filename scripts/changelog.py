#!/usr/bin/env python3
"""The changelog from fragments: one small file a change in changelog.d/.

Usage: changelog.py [--check | VERSION DATE]

A fragment is called NAME.KIND.md (KIND: added, changed, fixed, security, going-away, removed) and
is one sentence for the person who uses nexctl. Without an argument what is unreleased is printed;
`--check` only checks the fragments; VERSION and DATE write a section into CHANGELOG.md and take the
fragments away.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "changelog.d"
LOG = ROOT / "CHANGELOG.md"
KINDS = {
    "security": "Security",
    "removed": "Removed",
    "going-away": "Going away",
    "added": "Added",
    "changed": "Changed",
    "fixed": "Fixed",
}
MARK = "<!-- releases -->\n"
LONGEST = 300


def fragments(folder: Path) -> tuple[dict[str, list[str]], list[str]]:
    """The sentences by kind, and what is wrong with them."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    faults = []
    for path in sorted(folder.glob("*")):
        if path.name == "README.md":
            continue
        match = re.fullmatch(r"[a-z0-9-]+\.([a-z-]+)\.md", path.name)
        text = " ".join(path.read_text(encoding="utf-8").split())
        if match is None or match[1] not in KINDS:
            faults.append(f"{path.name}: call it NAME.KIND.md, KIND one of {', '.join(KINDS)}")
        elif not text.endswith((".", "`")) or len(text) > LONGEST:
            faults.append(f"{path.name}: one sentence of at most {LONGEST} characters, with a dot")
        else:
            found[match[1]].append(text)
    return found, faults


def section(title: str, found: dict[str, list[str]]) -> str:
    """One release in Markdown."""
    parts = [f"## {title}\n"]
    for kind, heading in KINDS.items():
        if found[kind]:
            lines = "\n".join(f"- {text}" for text in found[kind])
            parts.append(f"### {heading}\n\n{lines}\n")
    return "\n".join(parts)


def release(version: str, date: str) -> None:
    """Move the fragments into the changelog."""
    found, _ = fragments(FOLDER)
    head, mark, tail = LOG.read_text(encoding="utf-8").partition(MARK)
    text = section(f"{version} ({date})", found)
    LOG.write_text(f"{head}{mark}\n{text}{tail}", encoding="utf-8")
    for path in FOLDER.glob("*.md"):
        if path.name != "README.md":
            path.unlink()


def main(arguments: list[str]) -> int:
    found, faults = fragments(FOLDER)
    if faults:
        print("\n".join(faults), file=sys.stderr)
        return 1
    if arguments == ["--check"]:
        return 0
    if not arguments:
        print(section("Unreleased", found), end="")
        return 0
    wanted = (r"\d+\.\d+\.\d+", r"\d{4}-\d{2}-\d{2}")
    if len(arguments) != 2 or not all(map(re.fullmatch, wanted, arguments)):
        print(__doc__, file=sys.stderr)
        return 2
    release(*arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
