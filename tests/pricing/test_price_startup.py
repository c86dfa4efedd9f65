"""A shipped book is priced without anything heavy, and quickly."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from nexctl.pricing import books, engine
from nexctl.records import Usage

HEAVY = ["tomllib", "decimal", "dataclasses", "json", "fractions", "hashlib", "pathlib", "datetime"]

SCRIPT = """
import sys
from nexctl.pricing import books, engine
from nexctl.records import Usage
book = books.load("nextoken")
model = book.find("nex-smart")
engine.pricer(book, model).charge(Usage(1000, output=500))
engine.pricer(book, model, batch=True).charge(Usage(1000, output=500))
book.plan("business").limit("context")
print(" ".join(sys.modules))
"""


def test_nothing_heavy_is_imported_to_charge_from_a_shipped_book() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{SCRIPT}"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert not loaded & set(HEAVY)
    assert "nexctl.pricing.source" not in loaded
    assert "nexctl.pricing.compiled.names" not in loaded


def test_a_charge_is_some_microseconds() -> None:
    pricer = engine.pricer(books.load("nextoken"), "nex-pro")
    usage = Usage(1234, output=567)
    beside = json.dumps({"a": [1, 2, 3], "b": "text"})

    def best(work: object, times: int = 3000) -> float:
        found = []
        for _ in range(7):
            start = time.perf_counter()
            for _ in range(times):
                work()  # type: ignore[operator]
            found.append(time.perf_counter() - start)
        return min(found)

    # Decoding a tiny JSON text is the yardstick: it takes 1-2 microseconds where a charge takes 1.
    assert best(lambda: pricer.charge(usage)) < 3 * best(lambda: json.loads(beside))


@pytest.mark.parametrize("name", books.shipped())
def test_every_model_of_every_book_compiles(name: str) -> None:
    book = books.load(name)
    for model in book.models.values():
        engine.pricer(book, model)
        engine.pricer(book, model, at="2020-01-01")
