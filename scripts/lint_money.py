#!/usr/bin/env python3
"""Refuse floating point in the rooms where money passes.

Flags float literals, `float` in any position, true division (`/` of two integers is a float) and
`round()`. A line that has a reason ends in `# not money: REASON`.

Usage: lint_money.py [PATH...]   default: the money rooms. Exit 1 where something is found.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "src" / "nexctl"
MONEY_ROOMS = (
    "money.py",
    "records.py",
    "pricing",
    "estimate",
    "usage",
    "account",
    "batch",
    "server",
    "gateways",
    "wire",
)
EXCUSE = "# not money:"


def faults_in(source: str, name: str) -> list[str]:
    """Return one `file:line: message` for each use of floating point in Python `source`."""
    lines = source.splitlines()
    found: list[str] = []
    for node in ast.walk(ast.parse(source, name)):
        message = _fault(node)
        line = getattr(node, "lineno", 0)
        if message and EXCUSE not in lines[line - 1]:
            found.append(f"{name}:{line}: {message}")
    return sorted(set(found))


def _fault(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, (float, complex)):
        return f"float literal {node.value!r}: use an integer of a declared scale"
    if isinstance(node, ast.Name) and node.id == "float":
        return "float: use an integer of a declared scale"
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div):
        return "true division makes a float: use // or money.round_half_even"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "round":
        return "round() is for floats: use money.round_half_even"
    return None


def main(arguments: list[str]) -> int:
    """Check the given files and folders, else the money rooms; return the exit code."""
    roots = [Path(argument) for argument in arguments] or [ROOT / room for room in MONEY_ROOMS]
    files = [
        file
        for root in roots
        if root.exists()
        for file in ([root] if root.is_file() else sorted(root.rglob("*.py")))
        if "compiled" not in file.parts
    ]
    found = [
        fault for file in files for fault in faults_in(file.read_text(encoding="utf-8"), str(file))
    ]
    print("\n".join(found) if found else f"no floating point in {len(files)} files of money rooms")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
