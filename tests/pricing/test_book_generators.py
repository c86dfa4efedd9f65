"""What is checked in is what the generators write; the reference generator is strict."""

from __future__ import annotations

import datetime
import importlib.util
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from nexctl.errors import UnpricedError
from nexctl.pricing import books, engine
from nexctl.records import Usage

SCRIPTS = Path(__file__).parents[2] / "scripts"


def test_compiled_books_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "build_books.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def maker() -> ModuleType:
    pytest.importorskip("genai_prices", reason="needs genai-prices")
    spec = importlib.util.spec_from_file_location(
        "build_reference_books", SCRIPTS / "build_reference_books.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_books_are_up_to_date(maker: ModuleType) -> None:
    assert maker.main(["--check"]) == 0


def model(prices: Any, variants: Any = None) -> Any:
    return SimpleNamespace(id="m", prices=prices, price_variants=variants)


def test_unknown_units_contexts_and_dates_stop_the_generator(maker: ModuleType) -> None:
    from genai_prices.types import ConditionalPrice, ModelPrice, PriceVariant

    with pytest.raises(maker.StrictError, match="unknown price key"):
        maker.periods_of(model(ModelPrice(input_parsec=Decimal(1))))
    variant = PriceVariant(when={"processing": "Batch"}, prices=ModelPrice(input_mtok=Decimal(1)))
    with pytest.raises(maker.StrictError, match="unknown request context"):
        maker.periods_of(model(ModelPrice(input_mtok=Decimal(2)), [variant]))
    odd = ConditionalPrice(
        constraint=SimpleNamespace(month="May"),  # type: ignore[arg-type]
        prices=ModelPrice(input_mtok=Decimal(1)),
    )
    with pytest.raises(maker.StrictError, match="unknown date rule"):
        maker.periods_of(model([odd]))


def test_a_zero_price_is_not_imported_as_free(maker: ModuleType) -> None:
    from genai_prices.types import ModelPrice

    (period,) = maker.periods_of(model(ModelPrice(input_mtok=Decimal(0), output_mtok=Decimal(1))))
    assert period["rates"]["input"]["state"] == "unpublished"


def test_hidden_token_kinds_make_a_meter_unsupported(maker: ModuleType) -> None:
    from genai_prices.types import ModelPrice

    prices = ModelPrice(
        input_mtok=Decimal(1),
        output_mtok=Decimal(2),
        input_audio_mtok=Decimal(9),
        output_audio_mtok=Decimal(9),
    )
    (period,) = maker.periods_of(model(prices))
    assert {rate["state"] for rate in period["rates"].values()} == {"unsupported"}


def test_batch_prices_begin_on_the_day_they_were_verified(maker: ModuleType) -> None:
    from genai_prices.types import ModelPrice, PriceVariant, StartDateConstraint

    day = datetime.date(2026, 10, 14)
    variant = PriceVariant(
        when={"processing": "batch"},
        prices=ModelPrice(input_mtok=Decimal(1)),
        constraint=StartDateConstraint(start_date=day),
    )
    (period,) = maker.periods_of(model(ModelPrice(input_mtok=Decimal(2)), [variant]))
    assert (period["batch_from"], period["batch"]["input"], period["valid_from"]) == (
        day,
        "1",
        None,
    )


NAMES = {"openai": "openai", "anthropic": "anthropic", "google": "google", "mistral": "mistral"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("day", ["2024-06-01", "2025-12-10", "2026-10-14", "2026-11-21"])
def test_reference_charges_equal_the_library_on_text_usage(
    maker: ModuleType, name: str, batch: bool, day: str
) -> None:
    """Wherever a model's text meters are all carried, our charge is the library's to the digit."""
    from genai_prices import Usage as Theirs
    from genai_prices.data import providers

    provider = next(one for one in providers if one.id == NAMES[name])
    book = books.load(name)
    moment = datetime.datetime.fromisoformat(day).replace(tzinfo=datetime.UTC)
    compared = 0
    for theirs in provider.models:
        ours = book.models[theirs.id]
        rates = ours.rates_at(day)
        if any(rates.get(m) is None or rates[m].price is None for m in ("input", "output")):
            continue
        try:
            pricer = engine.pricer(book, ours, at=day, batch=batch)
        except UnpricedError:
            continue
        for into, cached, out in ((1000, 0, 500), (300_001, 0, 1000), (300_000, 100_000, 7)):
            if cached and (
                rates.get("cached_input") is None or rates["cached_input"].price is None
            ):
                continue
            beside = 0 if book.input_includes_cached else cached
            got = pricer.charge(Usage(into - beside, cached, 0, out))
            expected = theirs.calc_price(
                Theirs(input_tokens=into, cache_read_tokens=cached, output_tokens=out),
                provider,
                genai_request_timestamp=moment,
                price_context={"processing": "batch"} if batch else None,
            ).total_price
            assert abs(Decimal(got.units).scaleb(-9) - expected) <= Decimal("5e-10"), theirs.id
            compared += 1
    assert compared > 20 or (batch and day < "2026-10-14") or name == "mistral"
