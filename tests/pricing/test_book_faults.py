"""Every fault of a price book, each with its line; several at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pricing_kit import HEAD, SHIPPED

from nexctl.pricing import books
from nexctl.pricing.scan import positions

FIRST = HEAD.count("\n") + 1  # line of the first line after the head


def faults(tmp_path: Path, rest: str, head: str = "") -> list[tuple[int, str]]:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD.replace("#MORE", head) + rest, encoding="utf-8")
    found = books.validate(str(path))
    assert all(fault.file == str(path) for fault in found)
    return [(fault.line, fault.message) for fault in found]


MODEL = '[[models]]\nid = "m"\n'


@pytest.mark.parametrize(
    ("rest", "line", "words"),
    [
        (MODEL + 'rates = { input = "-1" }\n', 2, "-1 is negative"),
        (MODEL + "rates = { input = 0.5 }\n", 2, "0.5 is a float: write the price as"),
        (MODEL + "rates = { input = nan }\n", 2, "float"),
        (MODEL + "rates = { input = 3 }\n", 2, 'decimal string, "3"'),
        (MODEL + 'rates = { input = "1e3" }\n', 2, "not a plain decimal number"),
        (MODEL + 'rates = { input = "1_000" }\n', 2, "not a plain decimal number"),
        (MODEL + 'rates = { input = "٣" }\n', 2, "not a plain decimal number"),
        (MODEL + f'rates = {{ input = "{"9" * 13}" }}\n', 2, "not a plain decimal number"),
        (MODEL + 'rates = { input = "0.0000000000001" }\n', 2, "12 decimals"),
        (MODEL + 'rates = { input = "cheap" }\n', 2, "neither a price nor one of"),
        (MODEL + 'rates = { inptu = "1" }\n', 2, "did you mean input"),
        (MODEL + 'rates = { input = "1" }\ncontxt = 5\n', 3, "did you mean context"),
        (MODEL + 'rates = { input = "1" }\ncontext = 0\n', 3, "outside"),
        (MODEL + f'rates = {{ input = "1" }}\ncontext = {10**30}\n', 3, "outside"),
        (MODEL + 'rates = { input = "1" }\ncontext = true\n', 3, "a whole number is wanted"),
        (MODEL, 0, "one of rates, periods, relative, ratios"),
        (
            MODEL + 'rates = { input = "1" }\n' + MODEL + 'rates = { input = "1" }\n',
            4,
            "already names model 'm'",
        ),
        (
            MODEL + 'aliases = ["x"]\nrates = { input = "1" }\n[[models]]\nid = "n"\n'
            'aliases = ["x"]\nrates = { input = "1" }\n',
            6,
            "already names model 'm'",
        ),
        ('[multipliers]\nbatch = "1.01"\n', 1, "outside 0 to 1"),
        ('[multipliers]\nbatch = "-0.1"\n', 1, "negative"),
        ('[multipliers]\nbatsh = "0.5"\n', 1, "did you mean batch"),
        ('[multiplyers]\nbatch = "0.5"\n', 0, "did you mean multipliers"),
        ('[rules]\ntier_basis = { value = "whole_mnth" }\n', 1, "did you mean whole_month"),
        ('[rules]\ntier_bases = { value = "marginal" }\n', 1, "did you mean tier_basis"),
        ("[rules]\ninput_includes_cached = { value = 1 }\n", 1, "true or false"),
        (MODEL + 'rates = { input = "1" }\nsaid = "rumour"\n', 3, "page, docs, reading"),
        (MODEL + 'rates = { input = "1" }\nsaid = { contxt = "page" }\n', 3, "no 'contxt'"),
        (MODEL + 'rates = { input = "1" }\nsaid = "docs@nowhere"\n', 3, "not in [addresses]"),
        (
            MODEL + 'rates = { input = "1", output = "1" }\n'
            'context_tiers = [{ above = 5, rates = { input = "1" } }]\n',
            3,
            "'output' is missing",
        ),
        (
            MODEL + 'rates = { input = "1" }\n'
            "context_tiers = [\n"
            ' { above = 5, rates = { input = "1" } },\n'
            ' { from = 6, rates = { input = "2" } },\n]\n',
            5,
            "overlaps the one before",
        ),
        (
            MODEL + 'rates = { input = "1" }\n'
            'context_tiers = [{ above = 5, from = 6, rates = { input = "1" } }]\n',
            3,
            "one of above (>) and from (>=)",
        ),
        (
            MODEL + "[[models.periods]]\nvalid_from = 2026-02-01\nvalid_to = 2026-01-01\n"
            'rates = { input = "1" }\n',
            4,
            "is not after",
        ),
        (
            MODEL + '[[models.periods]]\nvalid_to = 2026-01-01\nrates = { input = "1" }\n'
            '[[models.periods]]\nvalid_from = 2026-02-01\nrates = { input = "1" }\n',
            2,
            "no period covers 2026-01-01 to 2026-02-01",
        ),
        (
            MODEL + '[[models.periods]]\nrates = { input = "1" }\n'
            '[[models.periods]]\nvalid_from = 2026-02-01\nrates = { input = "1" }\n',
            2,
            "overlap",
        ),
        (
            MODEL + '[[models.periods]]\nhours = [["00:00", "12:00"]]\nrates = { input = "1" }\n'
            '[[models.periods]]\nhours = [["12:00", "00:00"]]\nrates = { input = "2" }\n',
            2,
            "one period without hours",
        ),
        (
            '[[billing_tiers.tiers]]\nid = "a"\nabove = "0"\nup_to = "5"\npercent = "1"\n'
            '[[billing_tiers.tiers]]\nid = "b"\nabove = "6"\npercent = "1"\n',
            7,
            "leaves a gap after 5",
        ),
        (
            '[[billing_tiers.tiers]]\nid = "a"\nabove = "0"\nup_to = "5"\npercent = "1"\n'
            '[[billing_tiers.tiers]]\nid = "b"\nabove = "4"\npercent = "1"\n',
            7,
            "overlaps 5",
        ),
        ('[topup]\ndefault_pack = "big"\n', 1, "there is no pack 'big'"),
        (
            MODEL + 'relative = { rate = "1", credits = "1", per_hundred = 100 }\n'
            'rates = { input = "1" }\n',
            0,
            "not rates and relative",
        ),
        ('[[budgets]]\nname = "b"\n', 0, "'amount' is missing"),
        ('text = "a\\u001b[31m"\n', 0, "unknown key 'text'"),
        ('"a\\u001b[31m" = 1\n', 0, "unknown key 'a\\x1b[31m'"),
        ('[keys]\n"a\\u001b[31m" = 1\n', 1, "a\\u001b[31m: an id"),
    ],
)
def test_fault(tmp_path: Path, rest: str, line: int, words: str) -> None:
    found = faults(tmp_path, rest)
    assert any(at == FIRST + line and words in message for at, message in found), found


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("valid_from = 2026-02-01\nvalid_to = 2026-02-01", "is not after"),
        ("valid_from = 2026-02-01T10:00:00", "needs its offset"),
        ('valid_from = "2026-02-01"', "a date like 2026-11-20"),
        ('default_model = "none"', "there is no model 'none'"),
        ('kind = "gatewey"', "did you mean gateway"),
        ('title = "twice"', "not TOML"),
        ("rounding = { places = 10 }", "more decimals than the book's scale"),
        ('rounding = { mode = "bankers" }', "not one of half_even"),
    ],
)
def test_fault_in_the_head(tmp_path: Path, head: str, words: str) -> None:
    found = faults(tmp_path, "", head)
    assert len(found) == 1, found
    line, message = found[0]
    assert words in message
    assert line in (8, 9)


def test_all_faults_of_a_file_are_told_at_once_in_order(tmp_path: Path) -> None:
    rest = "".join(f'[[models]]\nid = "m{i}"\nrates = {{ input = "-{i}" }}\n' for i in range(1, 9))
    found = faults(tmp_path, rest)
    assert [line for line, _ in found] == [FIRST + 3 * i + 2 for i in range(8)]


@pytest.mark.parametrize(
    ("raw", "line", "words"),
    [
        (b"format = 1\n[book\n", 2, "not TOML"),
        (b"format = 1\n\xff\n", 2, "not UTF-8"),
        (b"a = [\n", 2, "not TOML"),
        (b"a = " + b"[" * 100_000, 1, "not TOML"),
        (b"a = " + b"9" * 10_000, 1, "not TOML"),
        (b"\x00", 1, "not TOML"),
        (b"", 1, "missing"),
    ],
)
def test_files_that_are_no_toml(tmp_path: Path, raw: bytes, line: int, words: str) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(raw)
    found = books.validate(str(path))
    assert found
    assert found[0].line == line, found
    assert words in found[0].message


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    with path.open("wb") as stream:
        stream.truncate(10**9)
    assert "larger than" in books.validate(str(path))[0].message


def test_lines_of_keys_and_elements() -> None:
    text = '''# comment
a = 1
"quoted key" = """
two
lines"""
b.c = [ # note
  1,
  { x = 1, y = "]" },
]
[[t]]
k = 'it''s'
[t.sub]
v = 2
[[t]]
k = 3
'''.replace("it''s", "it#s")
    lines = positions(text)
    assert lines[("a",)] == 2
    assert lines[("quoted key",)] == 3
    assert lines[("b", "c")] == 6
    assert lines[("b", "c", 0)] == 7
    assert lines[("b", "c", 1, "y")] == 8
    assert lines[("t", 0, "k")] == 11
    assert lines[("t", 0, "sub", "v")] == 13
    assert lines[("t", 1, "k")] == 15


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_damaged_book_is_either_valid_or_has_faults_never_a_traceback(
    data: st.DataObject,
) -> None:
    from nexctl.pricing.source import compile_text

    text = (SHIPPED / "nexrelay.toml").read_text(encoding="utf-8")
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text) - 1))
        length = data.draw(st.integers(0, 12))
        piece = data.draw(st.text(alphabet='01-."[]{}=,\nabcé\t #', max_size=6))
        text = text[:start] + piece + text[start + length :]
    literal, found = compile_text(text, lambda *_: None)
    assert (literal is None) == bool(found)
    last = text.count("\n") + 2
    assert all(1 <= line <= last and message for line, message in found)


def test_rules_that_slipped_under_the_addresses_are_faults_of_their_own() -> None:
    """The heading of the rules is gone: found by the test above."""
    from nexctl.pricing.source import compile_text

    text = (SHIPPED / "nexrelay.toml").read_text(encoding="utf-8")
    assert "\n[rules]\n" in text
    literal, found = compile_text(text.replace("\n[rules]\n", "\n"), lambda *_: None)
    assert literal is None
    assert any("text is wanted, this is a table" in message for _, message in found)
