#!/usr/bin/env python3
"""Compile families.toml into a module of plain literals, or check (--check) that it is current.

TOML takes 10 ms to import and read, a literal module well under one.
"""

from __future__ import annotations

import pprint
import sys
import tomllib
from pathlib import Path
from typing import Any

import generated

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src/nexctl/tokens/families.toml"
TARGET = ROOT / "src/nexctl/tokens/families_data.py"

METHODS = {"exact", "vendor-declared", "reconstructed", "estimated"}
CARRIERS = {"table", "claude", "splintr", "json", "none"}
HEAD = '''"""Compiled from families.toml by scripts/build_tokenizer_map.py: edit the TOML."""
# ruff: noqa
# fmt: off

from __future__ import annotations

from typing import Any

'''


def check(data: dict[str, Any]) -> None:
    """Refuse a map that could count a model in two ways or lead nowhere."""
    for name, row in data["tokenizer"].items():
        assert row["carrier"] in CARRIERS, f"{name}: carrier {row['carrier']}"
        if row["carrier"] in {"splintr", "json", "none"}:
            base = data["tokenizer"][row["like"]]
            assert base["carrier"] == "table", f"{name}: an estimate must need no extra"
            assert float(row["low_percent"]) < 0 < float(row["high_percent"]), name
    seen: set[str] = set()
    for row in data["model"]:
        assert row["method"] in METHODS, row
        assert row["tokenizer"] in data["tokenizer"], row["tokenizer"]
        assert row["chat"] in data["chat"], row["chat"]
        assert row.get("tools", "template") in data["tools"], row
        assert row.get("image", "guess") in data["image"], row
        assert row["source"], row
        for pattern in row["match"]:
            assert pattern == pattern.lower(), pattern
            assert pattern not in seen, f"{pattern} is there twice"
            seen.add(pattern)


def compiled() -> str:
    """The module's text."""
    data = tomllib.loads(SOURCE.read_text(encoding="utf-8"))
    check(data)
    rows: list[dict[str, Any]] = []
    names: dict[str, int] = {}
    starts: dict[str, int] = {}
    for number, row in enumerate(data["model"]):
        rows.append({key: value for key, value in row.items() if key != "match"})
        for pattern in row["match"]:
            if pattern.endswith("*"):
                starts[pattern[:-1]] = number
            else:
                names[pattern] = number
    parts = [HEAD]
    for title, value, kind in (
        ("TOKENIZERS", data["tokenizer"], "dict[str, dict[str, Any]]"),
        ("CHATS", data["chat"], "dict[str, dict[str, Any]]"),
        ("TOOLS", data["tools"], "dict[str, dict[str, Any]]"),
        ("IMAGES", data["image"], "dict[str, dict[str, Any]]"),
        ("MODELS", rows, "list[dict[str, Any]]"),
        ("NAMES", names, "dict[str, int]"),
        ("STARTS", starts, "dict[str, int]"),
    ):
        text = pprint.pformat(value, width=96, sort_dicts=True)
        parts.append(f"{title}: {kind} = {text}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(generated.main(lambda: {TARGET: compiled()}, sys.argv[1:], __file__, __doc__))
