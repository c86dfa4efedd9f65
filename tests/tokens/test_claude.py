"""Claude's counts are ctok's, on every text that was tried, and never slow."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import unicodedata
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexctl.tokens import claude
from nexctl.tokens.claude import counter as counter_module
from tests.scaling import grows_at_most

FAMILIES = {"claude-v3": "3.0", "claude-v4.7": "4.7", "claude-v4.8": "4.8"}
FOLDER = Path(claude.__file__).parent
# The data that scripts/build_claude_data.py writes from the ctok 1.3.0 wheel.
HASHES = {
    "classes.bin": "2465f14095bb31afb9a08b995b10e0944a02fb1daffd1ed28651e0982991abe9",
    "pieces_v3.bin": "9c73ba3e949a23526fbc77a6c0f214a832cd3ba2e4f95b848deb3eb566b1eec6",
    "pieces_v4_7.bin": "eb862006318024c419d7c9bc50490b2c4f47c599a75859e500e702f1d7a2fde8",
}

# Every class of character that the reconstruction tells apart, and what stands at their borders.
MIXED = list(
    "abcXYZ the'\"'s 012.,!?()[]{}<>=-_ \n\t  '’“”—中文字한글あアеЖΣİẞⒶ²½१٣،।\u094d\u0323\u0301ा"
    "\ufe0e\ufe0f😀\u200d\u00a0\u3000\x00\x01\ue000\ufdd0\u0e4d\u0e32ǅ\u0345\u0730\u0711々。，「」Ⅷ①؟\u0300"
)
PHRASES = [
    "it's", "Don't", "WE'RE", "x'llo", "'tis", "he'd've", "'", "''s", "!'s", "5's", "é's", "Ⓐ's",
    "字's", "。's", "²s", "‘s", "NASA", "iPhone", "ΣΑΣ", "İstanbul", "STRAẞE", "hello", "naïve",
    "foo_bar(baz)", "12,345.67", "“quoted”", "(a)", "--", "...", "a 'b' c", "x²", "１２", "5 a",
    "a 5", "! 5", "5 !", " 1१ 2", "Größe", "привет", "Мир", "你好", "世界 和", "こんにちは",
    "हिन्दी", "ไทย", "עברית", "العربية", "👍🏽", "\r\n", "\n\n\n", "    ", "\t",
]  # fmt: skip
ASSIGNED = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) != "Cn"]
BMP = [char for char in ASSIGNED if ord(char) < 0x10000]


def document(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.4:
        return "".join(rng.choices(MIXED, k=rng.randint(1, 40)))
    if kind < 0.6:
        return "".join(rng.choices(BMP, k=rng.randint(1, 30)))
    if kind < 0.7:
        return "".join(rng.choice(rng.choice((BMP, MIXED, ASSIGNED))) for _ in range(30))
    return rng.choice((" ", "", "\n")).join(rng.choices(PHRASES, k=rng.randint(1, 12)))


def count(family: str, text: str) -> int:
    return claude.engine(family).count(text)


def assert_parity(documents: list[str]) -> None:
    ctok = pytest.importorskip("ctok", reason="needs ctok")
    for text in documents:
        for family, version in FAMILIES.items():
            exact = ctok.token_count(text, version)
            found = count(family, text) + claude.FRAME[family]
            assert found == exact or not text, (family, text)


@pytest.fixture(params=["short", "wide", "windows"])
def route(request, monkeypatch):
    """The ways a text may go: by class letters, by the compiled pattern, cut into windows."""
    fresh = {name: claude.engine.__wrapped__(name) for name in FAMILIES}
    monkeypatch.setattr(claude, "engine", lambda name: fresh[name])
    if request.param == "short":
        monkeypatch.setattr(counter_module, "_SHORT", 1 << 40)
    else:
        monkeypatch.setattr(counter_module, "_SHORT", 0)
    if request.param == "windows":
        monkeypatch.setattr(counter_module, "_WINDOW", 5)


def test_counts_are_ctoks_on_random_mixes_of_every_script(route):
    rng = random.Random(11)
    assert_parity([document(rng) for _ in range(1500)])


def test_counts_are_ctoks_on_source_text():
    files = sorted(Path(counter_module.__file__).parents[1].rglob("*.py"))
    assert_parity([file.read_text(encoding="utf-8") for file in files])


def test_counts_are_ctoks_around_every_kind_of_edge():
    edges = [
        "",
        " ",
        "  ",
        "\n",
        "\n\n",
        "\t",
        "\x00",
        "\u3000",
        "'",
        "’",
        "5",
        ".",
        "字",
        "²",
        "a",
        "A",
    ]
    assert_parity([a + b + c for a in edges for b in ("s", "x", "1", "!", "字") for c in edges])


def test_counts_are_ctoks_for_every_character_in_context():
    ctok = pytest.importorskip("ctok", reason="needs ctok")
    step = 40
    for start in range(0, len(BMP), step):
        text = "".join(f"a{char} {char}1{char}b {char}'s\n" for char in BMP[start : start + step])
        odd = start // step % 2
        for family, version in ((("claude-v3", "3.0"), ("claude-v4.8", "4.8"))[odd],):
            exact = ctok.token_count(text, version) - claude.FRAME[family]
            assert count(family, text) == exact, ascii(text)


@pytest.mark.slow
def test_counts_are_ctoks_on_fifty_thousand_documents():
    rng = random.Random(2026)
    assert_parity([document(rng) for _ in range(50_000)])


def test_no_text_is_no_tokens_and_the_published_example_holds():
    assert [count(family, "") for family in FAMILIES] == [0, 0, 0]
    assert [count(family, "hello, world") for family in FAMILIES] == [3, 4, 4]


@given(st.text(max_size=60))
def test_any_text_is_counted(text):
    for family in FAMILIES:
        assert 0 <= count(family, text) < count(family, text + " x") + 5


def test_a_second_count_is_the_first_one_remembered():
    text = "The same words, the same words; 同じ言葉。" * 50
    assert len({count("claude-v3", text) for _ in range(3)}) == 1


def test_memory_of_words_is_bounded(monkeypatch):
    monkeypatch.setattr(counter_module, "_MEMORY", 100)
    fresh = claude.engine.__wrapped__("claude-v3")
    rng = random.Random(3)
    words = ["".join(rng.choices("abcdefgh", k=6)) for _ in range(1000)]
    assert fresh.count(" ".join(words)) == count("claude-v3", " ".join(words))
    assert len(fresh._costs) <= 100


@pytest.mark.parametrize(
    "unit",
    ["a", " ", "\n", "-", "=", "'", "0", "字", "é", "\u0301", "\u0315\u0300", "aA", "-=", "😀",
     "\u0f73\u0301", "\ufe0f", "'s", "\u00b2", "'\u2019"],
)  # fmt: skip
def test_a_megabyte_of_one_thing_takes_linear_time(unit):
    small, large = ("x" + unit * (size // len(unit)) for size in (100_000, 1_000_000))
    assert count("claude-v3", large) > 0
    assert grows_at_most(lambda text: count("claude-v3", text), small, large, factor=30)


@pytest.mark.parametrize("char", [" ", "\n", "-", "=", ".", "'", "a", "f", "字", "\t"])
def test_shortened_runs_cost_what_the_whole_run_costs(char):
    """Long runs are cut before the tiling; the plain tiling of the same run is the judge."""
    tiling = claude.engine("claude-v3")._tiling
    for size in (450, 1700, 5000, 17_500):
        run = "x" + char * size + "y" if char.isalpha() else char * size
        best = [0]
        for end in range(1, len(run) + 1):
            least = best[end - 1] + tiling.chars[run[end - 1]]
            for start in range(max(0, end - tiling.longest), end - 1):
                if best[start] + 1 < least and run[start:end] in tiling.pieces:
                    least = best[start] + 1
            best.append(least)
        assert tiling.cost(run) == best[-1], (char, size)


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_of_a_text_add_up_to_the_whole_at_every_cut(family):
    rng = random.Random(8)
    counter = claude.engine(family)
    cuts = 0
    for _ in range(600):
        text = document(rng) + rng.choice(("", "\n", " end", "\n\n")) + document(rng)
        place = 0
        while (place := counter.find_cut(text, place)) >= 0:
            cuts += 1
            parts = counter.count_part(text[:place], True, False)
            parts += counter.count_part(text[place:], False, True)
            assert parts == counter.count(text), (text, place)
    assert cuts > 1000


def _in_process(text: str) -> int:
    return claude.engine("claude-v4.8").count(text)


def test_several_processes_count_alike():
    texts = ["A prompt for one process.", "你好，世界", "it's"] * 4
    with ProcessPoolExecutor(2) as pool:
        assert list(pool.map(_in_process, texts)) == [_in_process(text) for text in texts]


def test_the_data_is_the_one_that_was_proved():
    for name, digest in HASHES.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest
    assert sum((FOLDER / name).stat().st_size for name in HASHES) < 500_000


def test_counting_english_imports_nothing_heavy():
    code = (
        "import sys; from nexctl.tokens import claude; "
        "claude.engine('claude-v3').count('Hello, world'); "
        "heavy = ('json', 'unicodedata', 'regex', 'zipfile', 'decimal'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
