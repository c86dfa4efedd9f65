"""Files and streams of any size: exact totals, faults with their place, little memory."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexctl.errors import UsageError
from nexctl.tokens import blocks, registry
from nexctl.tokens.bpe import bulk, table

QWEN = registry.tokenizer("qwen2.5")
TEXT = "Some words, 12345 numbers; ümlaut naïve 中文字符。 それから、\n\n  and so on...\n" * 40


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few bytes, so that small texts have many."""
    for name, value in {
        "BLOCK": 100, "WINDOW": 40, "ENDLESS": 1000, "LARGEST": 20_000, "PARALLEL_FROM": 2000,
        "BULK_FROM": 500,
    }.items():  # fmt: skip
        monkeypatch.setattr(blocks, name, value)


def file_of(folder: Path, content: bytes) -> str:
    path = folder / "prompt.md"
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("name", table.NAMES)
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.usefixtures("small")
def test_a_file_and_a_stream_add_up(name: str, processes: int, tmp_path: Path) -> None:
    choice = registry.tokenizer(name)
    expected = (table.open_table(name).count(TEXT), len(TEXT.encode()), len(TEXT))
    path = file_of(tmp_path, TEXT.encode())
    assert blocks.count_file(path, choice, processes) == expected
    assert blocks.count_file(io.BytesIO(TEXT.encode()), choice, processes) == expected
    with open(path, "rb", buffering=0) as stream:
        assert blocks.count_file(stream, choice, processes) == expected


@pytest.mark.usefixtures("small")
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    plain = blocks.count_file(file_of(tmp_path, TEXT.encode()), QWEN)
    marked = b"\xef\xbb\xbf" + TEXT.encode()
    for source in (file_of(tmp_path, marked), io.BytesIO(marked)):
        found = blocks.count_file(source, QWEN)
        assert found == plain._replace(bytes=plain.bytes + 3)


class Dripping(io.RawIOBase):
    """A pipe that gives a few bytes at a time."""

    def __init__(self, content: bytes) -> None:
        self.content, self.rng = content, random.Random(4)

    def read(self, size: int = -1) -> bytes:
        step = min(self.rng.randint(1, 60), size if size >= 0 else 60)
        part, self.content = self.content[:step], self.content[step:]
        return part


@pytest.mark.usefixtures("small")
def test_a_pipe_that_drips() -> None:
    counted = blocks.count_file(Dripping(TEXT.encode()), QWEN, 1)
    assert counted == (table.open_table("qwen2.5").count(TEXT), len(TEXT.encode()), len(TEXT))


@pytest.mark.usefixtures("small")
@given(text=st.text(st.sampled_from("ab 1.\n/'é中😀\u0301-"), max_size=3000))
def test_any_text(text: str) -> None:
    counted = blocks.count_file(io.BytesIO(text.encode()), QWEN, 1)
    assert counted == (table.open_table("qwen2.5").count(text), len(text.encode()), len(text))


def test_nothing_at_all(tmp_path: Path) -> None:
    assert blocks.count_file(file_of(tmp_path, b""), QWEN) == (0, 0, 0)
    assert blocks.count_file(io.BytesIO(b""), QWEN) == (0, 0, 0)


def test_a_file_of_the_kernel_has_text_though_it_says_0() -> None:
    if not os.path.exists("/proc/version"):
        pytest.skip("needs /proc")
    text = Path("/proc/version").read_text()
    assert blocks.count_file("/proc/version", QWEN).tokens == table.open_table("qwen2.5").count(
        text
    )


@pytest.mark.parametrize(
    "bad",
    [b"\xff", b"\xc3(", b"\xe4\xb8", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\x80"],
)
@pytest.mark.parametrize("place", [0, 97, 100, 1000, 5000])
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.usefixtures("small")
def test_bad_utf8_is_told_with_its_place(
    bad: bytes, place: int, processes: int, tmp_path: Path
) -> None:
    content = ("a word and\n" * 1000).encode()
    content = content[:place] + bad + content[place:]
    for source in (file_of(tmp_path, content), io.BytesIO(content)):
        with pytest.raises(UsageError) as caught:
            blocks.count_file(source, QWEN, processes, name="prompt.md")
        assert caught.value.code == "bad_utf8"
        assert caught.value.details["offset"] == place
        assert caught.value.message.startswith("prompt.md: ")
        assert str(place) in caught.value.message


@pytest.mark.usefixtures("small")
def test_a_character_that_the_end_cuts_off(tmp_path: Path) -> None:
    content = ("x " * 300 + "中").encode()[:-1]
    with pytest.raises(UsageError) as caught:
        blocks.count_file(file_of(tmp_path, content), QWEN)
    assert caught.value.details["offset"] == 600


def test_gigabytes_of_nothing_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "sparse"
    with file.open("wb") as stream:
        stream.truncate(4 << 30)
    started = time.process_time()
    with pytest.raises(UsageError, match="offset 0"):
        blocks.count_file(str(file), registry.tokenizer("o200k_base"))
    assert time.process_time() - started < 10, "it looked for a place to cut in all of it"


@pytest.mark.usefixtures("small")
def test_a_binary_file_is_told_by_its_first_nul(tmp_path: Path) -> None:
    content = b"text " * 500 + b"\0\xff" + b"text " * 500
    for source in (file_of(tmp_path, content), io.BytesIO(content)):
        with pytest.raises(UsageError) as caught:
            blocks.count_file(source, QWEN, 2)
        assert caught.value.code == "binary"
        assert caught.value.details["offset"] == 2500


def test_what_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.md", tmp_path):
        with pytest.raises(UsageError) as caught:
            blocks.count_file(path, QWEN)
        assert caught.value.code == "unreadable"
        assert str(path) in caught.value.message
        assert caught.value.hint


@pytest.mark.usefixtures("small")
def test_a_file_that_shrinks_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of(tmp_path, TEXT.encode())
    real = os.pread

    def shrinking(handle: int, size: int, offset: int) -> bytes:
        os.truncate(path, 150)
        return real(handle, size, offset)

    monkeypatch.setattr(os, "pread", shrinking)
    with pytest.raises(UsageError) as caught:
        blocks.count_file(path, QWEN, 1)
    assert caught.value.code == "file_changed"


@pytest.mark.parametrize("character", ["a", "Q", "的", "-", "="])
@pytest.mark.parametrize("name", table.NAMES)
@pytest.mark.usefixtures("small")
def test_one_character_without_end(
    name: str, character: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far more of it than is ever held in memory: LARGEST is 20,000 bytes here."""
    monkeypatch.setattr(bulk, "_BLOCK", 3000)
    text = "Once upon a time. " * 20 + character * 60_000 + " and they lived.\n" * 20
    expected = (table.open_table(name).count(text), len(text.encode()), len(text))
    choice = registry.tokenizer(name)
    for source in (file_of(tmp_path, text.encode()), io.BytesIO(text.encode())):
        assert blocks.count_file(source, choice, 1) == expected


@pytest.mark.parametrize("name", table.NAMES)
@pytest.mark.usefixtures("small")
def test_a_long_stretch_without_a_cut_is_held_in_memory(name: str, tmp_path: Path) -> None:
    text = "x" + " \t" * 4000 + "y" + "\u0301é" * 4000
    expected = (table.open_table(name).count(text), len(text.encode()), len(text))
    choice = registry.tokenizer(name)
    for source in (file_of(tmp_path, text.encode()), io.BytesIO(text.encode())):
        assert blocks.count_file(source, choice, 1) == expected


@pytest.mark.usefixtures("small")
def test_too_long_a_stretch_is_refused_not_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_BLOCK", 3000)
    for source in (file_of(tmp_path, b" " * 30_000), io.BytesIO(b" " * 30_000)):
        with pytest.raises(UsageError, match="no more than 20,000") as caught:
            blocks.count_file(source, QWEN)
        assert caught.value.code == "uncuttable"


@pytest.mark.usefixtures("small")
def test_faults_within_an_endless_stretch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_BLOCK", 3000)
    for bad, code in ((b"\xff", "bad_utf8"), (b"\0", "binary")):
        content = b"a" * 8000 + bad + b"a" * 8000
        for source in (file_of(tmp_path, content), io.BytesIO(content)):
            with pytest.raises(UsageError) as caught:
                blocks.count_file(source, QWEN, 1)
            assert (caught.value.code, caught.value.details["offset"]) == (code, 8000)


def test_an_estimate_is_scaled_once_over_all_blocks(
    small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounding each block would drift; the total is that of the text in one."""
    choice = QWEN._replace(method="estimated", exact=False, scale=(107, 100))
    assert blocks.count_file(io.BytesIO(TEXT.encode()), choice, 1).tokens == registry.counter(
        choice
    ).count(TEXT)


@pytest.mark.slow
@pytest.mark.parametrize("name", table.NAMES)
def test_two_gigabytes_take_little_memory(name: str, tmp_path: Path) -> None:
    """At most 150 MB in each process."""
    path = tmp_path / "large.txt"
    if not os.path.exists("/proc/self/status"):
        pytest.skip("needs /proc")
    unit = (Path(table.__file__).read_text() + TEXT * 20).encode() * 8
    with open(path, "wb") as stream:
        for _ in range(2_000_000_000 // len(unit) + 1):
            stream.write(unit)
    code = (
        "import resource, sys; from nexctl.tokens import blocks, registry\n"
        f"print(blocks.count_file(sys.argv[1], registry.tokenizer({name!r}), 2).bytes)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        # Not its own ru_maxrss: that begins with what the process had before it became Python.
        "print(next(line.split()[1] for line in open('/proc/self/status') if 'VmHWM' in line))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert int(out[0]) == path.stat().st_size
    assert max(map(int, out[1:])) < 150 * 1024
