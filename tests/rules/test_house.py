"""What the house asks of every file: a long one says why it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src/nexctl"
MOST = 500
GENERATED = ("compiled", "_data.py", "completion_spec.py")


def _written() -> dict[str, str]:
    """Every file that a person writes, with its text."""
    return {
        str(path.relative_to(SOURCE)): path.read_text(encoding="utf-8")
        for path in sorted(SOURCE.rglob("*.py"))
        if path.parent.name != GENERATED[0] and not path.name.endswith(GENERATED[1:])
    }


LONG = [name for name, text in _written().items() if text.count("\n") > MOST]


@pytest.mark.parametrize("name", LONG)
def test_a_long_file_says_why_it_is_one(name: str) -> None:
    said = ast.get_docstring(ast.parse(_written()[name])) or ""
    assert "Long because " in said, f"{name} has more than {MOST} lines: split it, or say why not"


def test_no_reason_is_left_behind_where_a_file_was_split() -> None:
    short = {name: text for name, text in _written().items() if name not in LONG}
    assert [name for name, text in short.items() if "\nLong because " in text] == []
