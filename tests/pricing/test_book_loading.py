"""Finding and loading books: shipped, dated, a user's own; what an unknown name answers."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from pricing_kit import HEAD, SHIPPED

from nexctl.errors import ConfigError, UsageError
from nexctl.pricing import books, engine, listing
from nexctl.records import Usage

ROW = '[[models]]\nid = "m"\nrates = { input = "%s", output = "1" }\n'


def test_the_five_gateways_come_first() -> None:
    assert books.shipped()[:5] == ("nextoken", "nexrelay", "deeptoken", "nexu", "tokenok")
    assert {"openai", "anthropic", "google", "deepseek", "mistral"} <= set(books.shipped()[5:])


@pytest.mark.parametrize("name", books.shipped())
def test_a_compiled_book_is_its_toml(name: str) -> None:
    compiled, from_text = books.load(name), books.load(str(SHIPPED / f"{name}.toml"))
    assert compiled.data == from_text.data
    assert compiled.sha256 == from_text.sha256
    assert books.validate(str(SHIPPED / f"{name}.toml")) == []


@pytest.mark.parametrize("name", books.shipped())
def test_every_value_of_a_shipped_book_says_where_it_comes_from(name: str) -> None:
    book = books.load(name)
    assert book.retrieved == "2026-11-20"
    assert book.version == f"{name}@2026-11-20"
    assert book.valid_from is None
    assert book.source
    for model in book.models.values():
        tag, address, _words = model.said("id")
        assert tag in ("page", "docs", "reading", "ours", "data")
        assert address or tag in ("reading", "ours")
    for rule, (_value, _other, source) in book.rules().items():
        assert source[0] in ("page", "docs", "reading", "ours"), rule


def test_unknown_book_names_near_ones() -> None:
    with pytest.raises(UsageError) as refused:
        books.load("nextokn")
    assert refused.value.exit == 2
    assert "nextoken" in str(refused.value.hint)


def test_unknown_model_names_near_ones_and_who_prices_it() -> None:
    with pytest.raises(UsageError) as refused:
        books.load("nextoken").find("gpt-4.1-mini")
    assert refused.value.code == "unknown_model"
    found = {row["book"] for row in refused.value.details["books"]}
    assert {"openai", "deeptoken"} <= found
    with pytest.raises(UsageError, match="nex-prp") as near:
        books.load("nextoken").find("nex-prp")
    assert "nex-pro" in near.value.details["near"]


def test_who_prices() -> None:
    assert books.who_prices("nex-smart") == [("nextoken", "nex-pro")]
    assert ("openai", "o3") in books.who_prices("O3-2025-04-16")
    assert books.who_prices("no-such-model") == []


@pytest.mark.parametrize(
    ("book", "name", "found"),
    [
        ("nextoken", "NEX-Pro", "nex-pro"),
        ("anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("anthropic", "claude-sonnet-4-20250514", "claude-sonnet-4-0"),
        ("openai", "gpt-4o-2024-11-20", "gpt-4o"),
        ("zai", "glm-5", "GLM-5"),
    ],
)
def test_names_resolve(book: str, name: str, found: str) -> None:
    assert books.load(book).find(name).id == found


@pytest.mark.parametrize("name", ["claude-sonnet-4-5-turbo", "claude-sonnet-4-5x", "gpt-4o-x"])
def test_a_prefix_takes_dated_snapshots_only(name: str) -> None:
    for book in ("anthropic", "openai"):
        with pytest.raises(UsageError):
            books.load(book).find(name)


def test_a_users_book_goes_before_the_shipped_one(tmp_path: Path) -> None:
    text = (SHIPPED / "nextoken.toml").read_text(encoding="utf-8")
    (tmp_path / "nextoken.toml").write_text(text.replace('"0.10", output', '"0.20", output'))
    book = books.load("nextoken", folder=str(tmp_path))
    assert engine.pricer(book, "nex-pro").charge(Usage(10**6)).units == 200_000_000
    assert books.load("nexrelay", folder=str(tmp_path)).file is None


def test_dated_versions_are_half_open(tmp_path: Path) -> None:
    for start, end, price in (
        (None, "2026-01-01", "1"),
        ("2026-01-01", "2026-06-01T12:00:00Z", "2"),
        ("2026-06-01T12:00:00Z", None, "3"),
    ):
        lines = [f"valid_from = {start}"] if start else []
        lines += [f"valid_to = {end}"] if end else []
        name = f"mine@{(start or 'open')[:10]}.toml"
        (tmp_path / name).write_text(HEAD.replace("#MORE", "\n".join(lines)) + ROW % price)
    folder = str(tmp_path)

    def price_at(at: object) -> str | None:
        return books.load("mine", at=at, folder=folder).models["m"].rates["input"].price

    assert price_at("2025-12-31") == "1"
    assert price_at(datetime.date(2026, 1, 1)) == "2"
    assert price_at(datetime.datetime(2026, 6, 1, 11, 59, 59, tzinfo=datetime.UTC)) == "2"
    east = datetime.timezone(datetime.timedelta(hours=8))
    assert price_at(datetime.datetime(2026, 6, 1, 20, 0, tzinfo=east)) == "3"
    assert price_at(None) == "3"
    assert [row[0] for row in books.versions("mine", folder=folder)] == [
        None,
        "2026-01-01",
        "2026-06-01T12:00:00Z",
    ]


def test_of_the_versions_of_one_day_the_one_that_has_begun_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for start, price in (("2026-06-01T09:00:00Z", "1"), ("2026-06-01T12:00:00Z", "2")):
        text = HEAD.replace("#MORE", f"valid_from = {start}") + ROW % price
        (tmp_path / f"mine@{price}.toml").write_text(text)
    monkeypatch.setattr("time.gmtime", lambda *_: (2026, 6, 1, 11, 59, 59, 0, 152, 0))
    assert books.load("mine", folder=str(tmp_path)).version == "mine@2026-06-01T09:00:00Z"
    monkeypatch.setattr("time.gmtime", lambda *_: (2026, 6, 1, 12, 0, 0, 0, 152, 0))
    assert books.load("mine", folder=str(tmp_path)).version == "mine@2026-06-01T12:00:00Z"


def test_before_the_first_version_is_an_error_not_another_days_price(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(HEAD.replace("#MORE", "valid_from = 2026-01-01") + ROW % 1)
    with pytest.raises(UsageError) as refused:
        books.load("mine", at="2025-01-01", folder=str(tmp_path))
    assert refused.value.code == "no_version"
    with pytest.raises(UsageError):
        books.load("mine", at="yesterday", folder=str(tmp_path))


def test_prices_that_begin_later_are_not_todays(book_of: object) -> None:
    book = book_of(  # type: ignore[operator]
        """
[[models]]
id = "m"
[[models.periods]]
valid_to = 2999-01-01
rates = { input = "1" }
[[models.periods]]
valid_from = 2999-01-01
rates = { input = "9" }
"""
    )
    assert book.models["m"].rates["input"].price == "1"
    assert engine.pricer(book, "m").charge(Usage(10**6)).units == 10**9
    assert engine.pricer(book, "m", at="2999-01-01").charge(Usage(10**6)).units == 9 * 10**9


def test_a_model_whose_prices_ended_hides_no_other(book_of: object) -> None:
    book = book_of(  # type: ignore[operator]
        """
[[models]]
id = "gone"
[[models.periods]]
valid_from = 2025-01-01
valid_to = 2025-06-01
rates = { input = "1" }
[[models]]
id = "here"
rates = { input = "2" }
"""
    )
    assert [(row["model"], row["input"]) for row in listing.rows(book)] == [
        ("gone", None),
        ("here", "2"),
    ]
    assert book.models["gone"].rates == {}
    for at, code in ((None, "after_last_price"), ("2024-12-31", "before_first_price")):
        with pytest.raises(UsageError) as refused:
            engine.pricer(book, "gone", at=at)
        assert refused.value.code == code
    assert engine.pricer(book, "gone", at="2025-05-31").charge(Usage(10**6)).units == 10**9


def test_a_users_broken_book_names_every_fault(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + ROW % "-1" + '[[models]]\nid = "m"\nrates = { output = 0.5 }\n')
    with pytest.raises(ConfigError) as refused:
        books.load("mine", folder=str(tmp_path))
    assert refused.value.exit == 78
    told = [(fault["line"], fault["message"][:6]) for fault in refused.value.details["faults"]]
    assert told == [(13, "input:"), (15, "id: 'm"), (16, "output")]
    assert f"{path}:13:" in refused.value.message
    assert "(and 2 more)" in refused.value.message


def test_a_folder_file_must_be_named_after_its_book(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(HEAD + ROW % "1")
    with pytest.raises(ConfigError, match="'mine', not 'other'"):
        books.load("other", folder=str(tmp_path))


def test_a_book_saved_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + ROW % "1", encoding="utf-8-sig")
    assert books.validate(str(path)) == []


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_an_unreadable_file_is_a_usage_error(tmp_path: Path, name: str) -> None:
    target = tmp_path / "a.toml"
    target.mkdir()
    for path in (tmp_path / name / "x.toml", target):
        with pytest.raises(UsageError) as refused:
            books.load(str(path))
        assert refused.value.code == "unreadable"


def test_hours_of_the_day_need_an_hour() -> None:
    book = books.load("deepseek")
    usage = Usage(10**6, output=10**6)

    def units(at: str) -> int:
        return engine.pricer(book, "deepseek-chat", at=at).charge(usage).units

    assert units("2026-11-20T12:00:00Z") == 1_370_000_000
    assert units("2026-11-20T16:30:00Z") == 685_000_000
    assert units("2026-11-20T20:30:00+08:00") == 1_370_000_000
    by_day = engine.pricer(book, "deepseek-chat", at="2026-11-20")
    assert by_day.charge_range(usage) == (685_000_000, None, 1_370_000_000)
    with pytest.raises(UsageError, match="range"):
        by_day.charge(usage)


def test_hours_hold_on_their_weekdays_only() -> None:
    book = books.load("deepseek")
    friday = engine.pricer(book, "deepseek-v4-pro", at="2026-11-20T07:00:00Z")
    saturday = engine.pricer(book, "deepseek-v4-pro", at="2026-11-21T07:00:00Z")
    before = engine.pricer(book, "deepseek-v4-pro", at="2026-08-14T07:00:00Z")
    usage = Usage(10**6)
    assert friday.charge(usage).units == 1_320_000_000
    assert saturday.charge(usage).units == 660_000_000
    assert before.charge(usage).units == 435_000_000
