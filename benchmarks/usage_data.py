#!/usr/bin/env python3
"""Synthetic usage with planted faults: what an audit must find, and nothing else.

Usage: usage_data.py OUT [ROWS] [BOOK]   (a .jsonl or .csv file; default 300000 rows of nextoken)
Charges come from the pricing engine, for the book's own reading or for the other one of cached
tokens; every fault changes one thing of one row, by the rule that it is named after. The truth is
printed, and returned to tests: rule and row number of each fault.
"""

from __future__ import annotations

import datetime
import json
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nexctl.money import text_of
from nexctl.pricing import books, engine, tiers
from nexctl.pricing.book import Book
from nexctl.pricing.exact import ratio_of, rounded
from nexctl.records import Usage
from nexctl.usage.columns import COLUMNS, NAMES
from nexctl.usage.reading import MANIFEST

START = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)
ROW_FAULTS = (
    "rate",
    "multiplier",
    "cached_counted_twice",
    "reasoning_counted_twice",
    "duplicate",
    "failed_charged",
    "usage_missing",
    "model_substituted",
    "tier",
    "balance",
    "rounding",
    "unpriced",
    "over_limit",
)
# One that needs a manifest beside the file, and a file of one customer.
GAP = "sequence_gap"
# A billed amount is written with the decimals of the book's scale.
EACH = 3


class Made(NamedTuple):
    """A file of usage, and the (rule, row) of each planted fault; row 0 is the whole file.

    `others` are the sequences of the ledger's other entries.
    """

    path: Path
    truth: list[tuple[str, int]]
    others: tuple[int, ...] = ()


class Shape(NamedTuple):
    """What is generated.

    other_reading  charges treat cached tokens the other way than the book does
    faults         rules to plant, `each` times
                   (`sequence_gap` for one customer: a manifest then lists the other entries)
    topups         some entries between are no usage
    drift          from the middle on, one model's input rate is another one,
                   for `drift_rows` rows of the file, or to its end
    markup         charges carry the markup that the book states, the other way than it says
    sparse         leave out the columns that foreign exports lack
    """

    rows: int = 10_000
    book: str = "nextoken"
    seed: int = 1
    customers: int = 3
    other_reading: bool = False
    places: int | None = None
    faults: tuple[str, ...] = ()
    each: int = EACH
    drift: bool = False
    drift_rows: int | None = None
    markup: bool = False
    topups: bool = True
    sparse: bool = False

    @property
    def contradicts(self) -> bool:
        """Whether the file reads otherwise than its book says (not only reads a silence)."""
        rules = books.load(self.book).rules()
        said = {
            name: name in rules and rules[name][2][0] in ("page", "docs", "data")
            for name in ("input_includes_cached", "markup_included")
        }
        return (self.other_reading and said["input_includes_cached"]) or (
            self.markup and said["markup_included"]
        )


class Maker:
    """Makes rows of one book."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.random = random.Random(shape.seed)
        self.book: Book = books.load(shape.book)
        self.day = START.date().isoformat()
        self._pricers: dict[Any, engine.Pricer] = {}
        self.models = [m for m in self.book.models.values() if self._usable(m.id)]
        self.tiers = [None, *(t.id for t in tiers.tiers(self.book) if t.percent[0].isdigit())]
        self.batches = any(engine.has_batch_price(self.book, m) for m in self.models)
        semantic = self.book.data.get("multipliers", {}).get("semantic", "")
        self.semantic = str(semantic)[:1].isdigit()
        self.balances = [10**15] * shape.customers
        self.sequences = [0] * shape.customers
        self.others: list[int] = []

    def _usable(self, name: str) -> bool:
        model = self.book.models[name]
        rates = model.rates_at(self.day)
        known = [rates.get(meter) for meter in ("input", "output")]
        return (
            model.kind == "chat"
            and "router" not in model.data
            and all(rate is not None and rate.state == "number" for rate in known)
            and not any("hours" in period for period in model.periods)
        )

    def pricer(self, model: str, **more: Any) -> engine.Pricer:
        key = (model, *sorted(more.items()))
        if key not in self._pricers:
            self._pricers[key] = engine.pricer(self.book, model, at=self.day, **more)
        return self._pricers[key]

    def cached_price(self, model: str) -> bool:
        rate = self.book.models[model].rates_at(self.day).get("cached_input")
        return rate is not None and rate.state == "number"

    def row(self, number: int) -> dict[str, Any]:
        """One faultless row, all but its charge."""
        pick = self.random
        model = self.models[number % len(self.models)]
        into, out = pick.randrange(200, 6_000), pick.randrange(20, 1_500)
        cached = pick.randrange(into // 2) if self.cached_price(model.id) and number % 3 == 0 else 0
        tier = self.tiers[number % len(self.tiers)]
        batch = self.batches and number % 7 == 3 and engine.has_batch_price(self.book, model)
        hit = self.semantic and number % 11 == 5 and not batch
        moment = START + datetime.timedelta(seconds=number // 2)
        return {
            "created_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            # Ids repeat between customers.
            "request_id": f"req_{number // self.shape.customers:024x}",
            "gateway": self.book.title,
            "customer_id": f"cus_{number % self.shape.customers:012x}",
            "key_id": f"key_{number % 5:012x}",
            "key_name": "production",
            "labels": {"team": "search"},
            "endpoint": "/v1/chat/completions",
            "model_requested": (model.aliases or (model.id,))[0],
            "model_served": model.id,
            "provider": model.provider,
            "status": "ok",
            "requests": 1,
            "input_tokens": into,
            "cached_input_tokens": cached,
            "cache_write_tokens": 0,
            "output_tokens": out,
            "reasoning_tokens": out // 3 if number % 4 == 1 else 0,
            "images": 0,
            "videos": 0,
            "seconds": 0,
            "gpu_seconds": 0,
            "semantic_cache_hit": bool(hit),
            "batch_id": f"batch_{number % 3}" if batch else None,
            "tier": tier,
            "currency": self.book.unit,
            "price_book": self.book.version,
            "latency_ms": 300 + number % 400,
        }

    def usage(self, row: dict[str, Any], *, beside: bool) -> Usage:
        """The row's quantities for the engine; `beside`: cached tokens come on top of input."""
        into, cached = row["input_tokens"], row["cached_input_tokens"]
        inside = self.book.input_includes_cached
        if inside and beside:
            into += cached
        if not inside and not beside:
            into -= cached
        return Usage(
            input=into,
            cached_input=cached,
            output=row["output_tokens"],
            reasoning=row["reasoning_tokens"],
        )

    def charge(self, row: dict[str, Any], model: str | None = None, **more: Any) -> int:
        """Nano (or the book's scale) of a row by the engine."""
        inside = self.book.input_includes_cached
        beside = more.pop("beside", inside == self.shape.other_reading)
        options = {
            "batch": bool(row["batch_id"]),
            "semantic_hit": row["semantic_cache_hit"],
            "tier": row["tier"],
            **more,
        }
        top, bottom = self.exact(row, model, beside=beside, **options)
        places = self.shape.places
        if places is not None and places < self.book.scale:
            # Always up to so many places: another rounding than any book's.
            step: int = 10 ** (self.book.scale - places)
            whole: int = -(-top * 10**places // bottom)
            return whole * step
        return rounded(top, bottom, self.book.scale)

    def exact(
        self, row: dict[str, Any], model: str | None = None, *, beside: bool, **options: Any
    ) -> tuple[int, int]:
        """The amount before it is rounded, as numerator and denominator."""
        name = model or row["model_served"]
        charge = self.pricer(name, **options).charge(self.usage(row, beside=beside))
        top, bottom = charge.exact
        stated = self.book.models[name].markup["stated"]
        if self.shape.markup and stated:
            above, below = ratio_of(stated)
            if self.book.rule("markup_included") == "no":
                top, bottom = top * below, bottom * (below + above)
            else:
                top, bottom = top * (below + above), bottom * below
        return top, bottom


def rows(shape: Shape, maker: Maker | None = None) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Rows in the file's order, each with the rule of the fault that was planted in it."""
    maker = maker or Maker(shape)
    plan = _plan(shape, maker)
    drifting = maker.models[0].id
    middle = shape.rows // 2 + 1
    changed = range(middle, middle + (shape.drift_rows or shape.rows) if shape.drift else middle)
    for number in range(shape.rows):
        row = maker.row(number)
        fault = plan.get(number)
        units = maker.charge(row)
        if number in changed and row["model_served"] == drifting:
            units = _raised(maker, row, units, 3)
            fault = "drift"
        elif fault is not None:
            units = _planted(maker, row, units, fault)
        yield _posted(maker, row, units, number, fault), fault
        if fault == "duplicate":
            yield _posted(maker, dict(row), units, number, None), None


def _plan(shape: Shape, maker: Maker) -> dict[int, str]:
    """Which row gets which fault: where the row has what the fault needs."""
    chosen: dict[int, str] = {}
    pick = random.Random(shape.seed + 1)
    wanted = [fault for fault in shape.faults for _ in range(shape.each)]
    for fault in wanted:
        for _ in range(2_000):
            number = pick.randrange(2, shape.rows)
            if number not in chosen and _fits(maker, number, fault):
                chosen[number] = fault
                break
    return chosen


def _fits(maker: Maker, number: int, fault: str) -> bool:
    shape, model = maker.shape, maker.models[number % len(maker.models)]
    if shape.drift and model is maker.models[0]:
        return False
    cached = maker.cached_price(model.id) and number % 3 == 0
    batch = maker.batches and number % 7 == 3 and engine.has_batch_price(maker.book, model)
    hit = maker.semantic and number % 11 == 5 and not batch
    needs = {
        "cached_counted_twice": cached and not hit and not shape.contradicts,
        "reasoning_counted_twice": number % 4 == 1 and maker.book.output_includes_reasoning,
        "multiplier": hit or (batch and _cheaper_batch(maker, model.id)),
        "tier": maker.pricer(model.id, tier=maker.tiers[number % len(maker.tiers)]).multiplier()
        != "1",
        "over_limit": model.context is not None,
        "model_substituted": number % 3 > 0
        and not hit
        and not batch
        and _dearer(maker, model.id) is not None,
        "rounding": not batch and not hit,
        "rate": not batch and not hit,
    }
    return bool(needs.get(fault, True))


def _cheaper_batch(maker: Maker, name: str) -> bool:
    """Some models have a batch price that is their usual one."""
    many = Usage(input=10**6, output=10**5)
    usual = maker.pricer(name).charge(many).units
    return maker.pricer(name, batch=True).charge(many).units != usual


def _dearer(maker: Maker, name: str) -> str | None:
    own = maker.pricer(name).charge(Usage(input=10**6, output=10**5)).units
    for model in maker.models:
        other = maker.pricer(model.id).charge(Usage(input=10**6, output=10**5)).units
        if other > own:
            return model.id
    return None


def _raised(maker: Maker, row: dict[str, Any], units: int, steps: int) -> int:
    """The charge with a dearer input rate."""
    inside = maker.book.input_includes_cached
    beside = inside == maker.shape.other_reading
    options = {
        "batch": bool(row["batch_id"]),
        "semantic_hit": row["semantic_cache_hit"],
        "tier": row["tier"],
    }
    top, bottom = maker.exact(row, beside=beside, **options)
    # The input tokens alone, at 3.7 % a step: not by chance what another model or condition costs.
    only = {**row, "output_tokens": 0, "reasoning_tokens": 0, "cached_input_tokens": 0}
    usage = maker.usage(row, beside=beside)
    only["input_tokens"] = usage.input - (usage.cached_input if inside else 0)
    more, below = maker.exact(only, beside=False, **options)
    return rounded(
        top * below * 1000 + more * bottom * steps * 37, bottom * below * 1000, maker.book.scale
    )


def _planted(maker: Maker, row: dict[str, Any], units: int, fault: str) -> int:
    inside = maker.book.input_includes_cached
    if fault == "rate":
        row["input_tokens"] += 1_000
        return _raised(maker, row, maker.charge(row), 1 + row["output_tokens"] % 7)
    if fault == "multiplier":
        return maker.charge(row, batch=False, semantic_hit=False)
    if fault == "cached_counted_twice":
        row["cached_input_tokens"] = max(row["cached_input_tokens"], 50)
        return maker.charge(row, beside=inside != maker.shape.other_reading)
    if fault == "reasoning_counted_twice":
        doubled = {**row, "output_tokens": row["output_tokens"] + row["reasoning_tokens"]}
        return maker.charge(doubled)
    if fault == "failed_charged":
        row["status"] = "error"
        return units
    if fault == "usage_missing":
        for name in ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens"):
            row[name] = None
        row["cache_write_tokens"] = row["images"] = row["videos"] = None
        row["seconds"] = row["gpu_seconds"] = None
        return units
    if fault == "model_substituted":
        asked = _dearer(maker, row["model_served"])
        row["model_requested"] = asked
        return maker.charge(row, asked)
    if fault == "tier":
        return maker.charge(row, tier=None)
    if fault == "rounding":
        return units + 1
    if fault == "unpriced":
        row["model_served"] = row["model_requested"] = "model-that-no-book-has"
        return units
    if fault == "over_limit":
        row["input_tokens"] = maker.book.models[row["model_served"]].context or 0
        return maker.charge(row)
    return units


def _posted(
    maker: Maker, row: dict[str, Any], units: int, number: int, fault: str | None
) -> dict[str, Any]:
    """The row with its charge and its place in the customer's ledger."""
    scale = maker.book.scale
    who = number % maker.shape.customers
    maker.sequences[who] += 1
    topped_up = maker.shape.topups and number % 50 < maker.shape.customers and number > 0
    if topped_up:
        # A top-up lies between: an entry that an export of usage does not hold.
        maker.others.append(maker.sequences[who])
        maker.sequences[who] += 1
        maker.balances[who] += 10**9
    if fault == GAP:
        # An entry is in no list at all.
        maker.sequences[who] += 1
    maker.balances[who] -= units
    if fault == "balance":
        maker.balances[who] -= 5 * 10**3
    text = text_of(units, scale)
    row["charge"] = text
    row["balance_delta"] = text_of(-units, scale)
    row["balance_after"] = text_of(maker.balances[who], scale)
    row["sequence"] = maker.sequences[who]
    if fault == "balance":
        # The fault shows only where the entry before is in the file.
        row["_linked"] = not topped_up
    if maker.shape.sparse:
        for name in ("customer_id", "sequence", "balance_after", "balance_delta", "requests"):
            row.pop(name, None)
        for name in ("reasoning_tokens", "cache_write_tokens", "labels", "provider", "latency_ms"):
            if name != "reasoning_tokens" or not row.get(name):
                row.pop(name, None)
    return row


def write(path: Path, shape: Shape) -> Made:
    """Write a file; the truth counts rows from 1, a duplicate at its second row."""
    truth: list[tuple[str, int]] = [("reading", 0)] if shape.contradicts else []
    drift = False
    maker = Maker(shape)
    with path.open("w", encoding="utf-8", newline="") as stream:
        put = _csv_line if path.suffix == ".csv" else _json_line
        if path.suffix == ".csv":
            stream.write(",".join(NAMES) + "\r\n")
        for number, (row, fault) in enumerate(rows(shape, maker), 1):
            linked = row.pop("_linked", True)
            if fault == "drift":
                if not drift:
                    truth.append(("drift", number))
                drift = True
            elif fault == "duplicate":
                truth.append(("duplicate", number + 1))
            elif fault is not None and linked:
                truth.append((_named(shape, fault), number))
            stream.write(put(row))
    if GAP in shape.faults:
        _manifest(path, maker.others)
    return Made(path, truth, tuple(maker.others))


def _manifest(path: Path, others: Sequence[int]) -> None:
    listed = {"complete": True, "sequences": [[n, n] for n in others]}
    manifest = {"unfiltered": True, "other_entries": listed}
    Path(f"{path}{MANIFEST}").write_text(json.dumps(manifest))


def write_large(path: Path, rows: int, shape: Shape) -> Made:
    """A file of many customers with the same faultless rows, and the shape's faults in some.

    Each segment is a customer of its own, so that ids, times and sequences repeat between them;
    three of them, spread over the file, have the faults, the last one also the drift, top-ups and
    gaps: one list of other entries cannot tell the sequences of several customers apart.
    """
    truth: list[tuple[str, int]] = []
    others: tuple[int, ...] = ()
    customer = b"cus_000000000000"
    plain = shape._replace(customers=1, faults=(), drift=False, topups=False)
    some = plain._replace(faults=tuple(fault for fault in shape.faults if fault != GAP))
    every = shape._replace(customers=1)
    count = max(4, rows // shape.rows)
    faulty = {count * part // 4 for part in (1, 2, 3)} if shape.faults else set()
    piece = path.with_name(f"piece{path.suffix}")
    usual, written = write(piece, plain).path.read_bytes(), 0
    head = usual[: usual.index(b"\n") + 1] if path.suffix == ".csv" else b""
    with path.open("wb") as stream:
        stream.write(head)
        for number in range(count):
            data = usual
            if number in faulty:
                kind = every if number == max(faulty) else some
                made = write(piece, kind._replace(seed=shape.seed + number))
                data = piece.read_bytes()
                truth += [(rule, written + row if row else 0) for rule, row in made.truth]
                others = made.others if kind is every else ()
            data = data[len(head) :]
            stream.write(data.replace(customer, b"cus_%012x" % number))
            written += data.count(b"\n")
    piece.unlink()
    if GAP in shape.faults:
        _manifest(path, others)
    return Made(
        path,
        list(dict.fromkeys(one for one in truth if one[1] == 0)) + [one for one in truth if one[1]],
        others,
    )


def _named(shape: Shape, fault: str) -> str:
    """A row that reads cached tokens unlike the others bills less where those count them beside."""
    inside = books.load(shape.book).input_includes_cached != shape.other_reading
    return "reading" if fault == "cached_counted_twice" and not inside else fault


def _json_line(row: dict[str, Any]) -> str:
    return json.dumps({name: row.get(name) for name in NAMES}, separators=(",", ":")) + "\n"


_TEXT = {column.name for column in COLUMNS if column.kind == "json"}


def _csv_line(row: dict[str, Any]) -> str:
    cells = []
    for name in NAMES:
        value = row.get(name)
        if value is None:
            cells.append("")
        elif value is True or value is False:
            cells.append("true" if value else "false")
        elif isinstance(value, dict):
            cells.append('"' + json.dumps(value).replace('"', '""') + '"')
        else:
            cells.append(str(value))
    return ",".join(cells) + "\r\n"


def main(arguments: list[str]) -> int:
    """Write one file and print what was planted."""
    if not arguments:
        print(__doc__)
        return 0
    count = int(arguments[1]) if len(arguments) > 1 else 300_000
    book = arguments[2] if len(arguments) > 2 else "nextoken"
    made = write(Path(arguments[0]), Shape(count, book, faults=ROW_FAULTS))
    for rule, row in sorted(made.truth, key=lambda one: one[1]):
        print(f"{row}\t{rule}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
