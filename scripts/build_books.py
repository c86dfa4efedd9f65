#!/usr/bin/env python3
"""Compile the shipped price books (TOML) into Python literals that load in about a millisecond.

Usage: build_books.py [--check]   --check writes nothing and exits 1 where a file would change.
"""

from __future__ import annotations

import pprint
import sys
from pathlib import Path
from typing import Any

import generated

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from nexctl.pricing.source import compile_text  # noqa: E402

BOOKS = ROOT / "src" / "nexctl" / "pricing" / "books"
OUT = ROOT / "src" / "nexctl" / "pricing" / "compiled"
GATEWAYS = ("nextoken", "nexrelay", "deeptoken", "nexu", "tokenok")
HEAD = '"""Compiled from {source} by scripts/build_books.py: edit that file, not this one."""\n'


def compile_all() -> list[dict[str, Any]]:
    """Compile every TOML book, vendors' reference books first, for gateways refer to them."""
    files = sorted(BOOKS.glob("*.toml"))
    texts = {file: file.read_text(encoding="utf-8") for file in files}
    texts = dict(sorted(texts.items(), key=lambda row: 'kind = "gateway"' in row[1]))
    done: list[dict[str, Any]] = []

    def list_prices(book: str, model: str, at: str | None) -> tuple[str, str] | None:
        from nexctl.pricing.book import Book

        for literal in done:
            if literal["book"]["id"] == book:
                rates = Book(literal).find(model).rates_at(at)
                into, out = rates["input"].price, rates["output"].price
                return (into, out) if into and out else None
        return None

    faults = []
    for file, text in texts.items():
        literal, found = compile_text(text, list_prices)
        faults += [f"{file}:{line}: {message}" for line, message in found]
        if literal is not None:
            done.append({**literal, "file": file.name})
    if faults:
        raise SystemExit("\n".join(faults))
    order = {name: index for index, name in enumerate(GATEWAYS)}
    done.sort(
        key=lambda row: (
            row["book"].get("kind") == "upstream",
            order.get(row["book"]["id"], len(order)),
            row["book"]["id"],
            row["book"].get("valid_from") or "",
        )
    )
    return done


def module_name(literal: dict[str, Any]) -> str:
    """Python module of one version of a book."""
    head = literal["book"]
    start = head.get("valid_from")
    name = head["id"] + (f"_{start}" if start else "")
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def outputs() -> dict[Path, str]:
    """Every generated file with its text."""
    written: dict[Path, str] = {OUT / "__init__.py": '"""Price books compiled to literals."""\n'}
    index: dict[str, tuple[Any, ...]] = {}
    names: dict[str, dict[str, str]] = {}
    for literal in compile_all():
        file = literal.pop("file")
        head = literal["book"]
        name = module_name(literal)
        body = f"from typing import Any\n\nBOOK: dict[str, Any] = {shown(literal)}\n"
        written[OUT / f"{name}.py"] = HEAD.format(source=f"books/{file}") + "\n" + body
        old = index.get(head["id"], (head["title"], head.get("kind", "gateway"), ()))
        row = (name, head.get("valid_from"), head.get("valid_to"))
        index[head["id"]] = (old[0], old[1], (*old[2], row))
        priced = names.setdefault(head["id"], {})
        for model in literal["models"]:
            if any(
                rate[0] == "number"
                for period in model["periods"]
                for rate in period["rates"].values()
            ):
                for spot in (model["id"], *model.get("aliases", ()), *model.get("match", ())):
                    priced.setdefault(spot.lower(), model["id"])
    kind = "dict[str, tuple[str, str, tuple[tuple[str, str | None, str | None], ...]]]"
    written[OUT / "index.py"] = (
        '"""Made by scripts/build_books.py: id -> (title, kind, ((module, from, to), ...))."""\n\n'
        f"from __future__ import annotations\n\nBOOKS: {kind} = {shown(index)}\n"
    )
    written[OUT / "names.py"] = (
        '"""Made by scripts/build_books.py: book -> lower-case name -> model with numbers."""\n\n'
        f"NAMES: dict[str, dict[str, str]] = {shown(names)}\n"
    )
    return written


def shown(value: Any) -> str:
    """A literal's text, the same for the same value."""
    return pprint.pformat(value, width=100, compact=True, sort_dicts=False)


if __name__ == "__main__":
    sys.exit(generated.main(outputs, sys.argv[1:], __file__, __doc__, there=OUT.glob("*.py")))
