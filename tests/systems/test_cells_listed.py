"""The lists of cells and refusals are held against the tests and refusals that there are."""

from __future__ import annotations

import ast
import functools
import tomllib
from pathlib import Path
from typing import Any

import pytest

from nexctl.wire.refusals import REFUSALS

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CELLS = tomllib.loads((HERE / "cells.toml").read_text(encoding="utf-8"))
REFUSED = tomllib.loads((HERE / "refusals.toml").read_text(encoding="utf-8"))
ABUSE = tomllib.loads((HERE / "abuse.toml").read_text(encoding="utf-8"))["abuse"]
END_TO_END = ("systems", "e2e", "server", "openai_sdk", "anthropic_sdk")
NOT_RUN = {"skip", "skipif", "xfail", "slow"}


@functools.cache
def run_in(file: str) -> frozenset[str]:
    """The tests of a file that an ordinary run collects and runs."""
    path = ROOT / file
    if not path.name.startswith("test_") or not path.is_file():
        return frozenset()
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[:5] == "test_":
            marks = {
                part.attr
                for mark in node.decorator_list
                for part in ast.walk(mark)
                if isinstance(part, ast.Attribute)
            }
            if not marks & NOT_RUN:
                found.add(node.name)
    return frozenset(found)


def is_there(test: str) -> bool:
    """Whether a test id names a test that runs."""
    file, _, name = test.partition("::")
    return name in run_in(file)


def faults_of(found: dict[str, Any]) -> list[str]:
    """What is wrong with one cell of the list."""
    faults = [f"no such test: {one}" for one in found["proof"] if not is_there(one)]
    end_to_end = [one for one in found["proof"] if one.split("/")[1] in END_TO_END]
    if not end_to_end and not found.get("not_yet"):
        faults.append("neither an end-to-end scenario nor not_yet")
    if not set(found["said"]) <= {"page", "docs", "reading", "ours"} or not found["said"]:
        faults.append("said by nobody known")
    if set(found) - {"system", "name", "does", "said", "by", "proof", "not_yet"}:
        faults.append("an unknown field")
    return faults


@pytest.mark.parametrize("found", CELLS["cell"], ids=lambda one: f"{one['system']}: {one['name']}")
def test_a_cell_has_a_scenario_that_exists_or_says_not_yet(found: dict[str, Any]) -> None:
    assert not faults_of(found)


def test_a_cell_without_a_scenario_would_be_found() -> None:
    good = dict(CELLS["cell"][0])
    assert not faults_of(good)
    assert faults_of({**good, "proof": []})
    assert faults_of({**good, "proof": [good["proof"][0] + "_gone"]})
    assert faults_of({**good, "proof": ["tests/pricing/test_pages.py::test_nexrelay_meters"]})
    assert not is_there("tests/server/ledger/test_kills.py::test_two_hundred_kills"), "it is slow"


def test_the_five_systems_are_listed_and_no_cell_twice() -> None:
    names = [(found["system"], found["name"]) for found in CELLS["cell"]]
    assert len(set(names)) == len(names)
    assert list(dict.fromkeys(system for system, _ in names)) == CELLS["order"]
    assert CELLS["order"] == ["nextoken", "nexrelay", "deeptoken", "nexu", "tokenok"]


def test_each_refusal_has_its_end_to_end_test() -> None:
    """A refusal that is added needs a row here, and a test that meets it."""
    assert set(REFUSED) == set(REFUSALS)
    for code, found in REFUSED.items():
        if "not_yet" in found:
            assert "proof" not in found, code
            continue
        assert is_there(found["proof"]), (code, found["proof"])
        file = found["proof"].split("::")[0]
        folder = file.split("/")[1]
        assert folder in (("e2e", "systems") if found["by"] != "a request" else END_TO_END), code
        source = (ROOT / file).read_text(encoding="utf-8")
        assert f'"{code}"' in source, f"{file} never names {code}"


@pytest.mark.parametrize("tried", ABUSE, ids=lambda one: str(one["what"]))
def test_each_abuse_has_tests_that_try_it(tried: dict[str, Any]) -> None:
    assert set(tried) == {"what", "ends", "proof"}
    assert tried["proof"]
    assert [one for one in tried["proof"] if not is_there(one)] == []


def test_the_abuse_of_the_issue_is_all_there() -> None:
    said = " ".join(one["what"].lower() for one in ABUSE)
    words = (
        *("bonus", "loyalty", "tier", "twenty processes", "hash", "duplicated", "reordered"),
        *("stale", "forged", "wrong amount or currency", "cached", "sub-key", "storm"),
    )
    assert [word for word in words if word not in said] == []
