#!/usr/bin/env python3
"""Write src/nexctl/tokens/claude/*.bin from the ctok wheel (MIT licence, Sander Land).

    python scripts/build_claude_data.py [ctok-1.3.0-py3-none-any.whl] [--check]

takes the wheel, else the installed package; where neither is there it says so and exits 77. It
needs `regex` and `unicodedata2==15.1.0`: the classes of characters are asked from ctok's own
functions over one pinned version of Unicode, so that a count does not depend on the Python that
counts. The pieces are checked against the hashes below, and so is everything that the engine takes
for granted about them.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import sys
import tempfile
import zipfile
from itertools import groupby, pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "src/nexctl/tokens/claude"
HASHES = {
    "pieces_v3.json": "4c6db216062ef01e70ba033ff52ad3b97f886e79877235f2c7bbbd40d09ffb9b",
    "pieces_v4_7.json": "a785fc240010c855f3d9a498fbd422ee389752dd151f1d5eef57ca8c85c19993",
}
UNICODE = "15.1.0"
# The engine writes a structural marker as a control character: normalisation removes those from
# text, so a marker can never be text, and an English piece stays pure ASCII.
MARKERS = {"\ufdd0": "\x02", "\ufdd1": "\x03", "\ufdd3": "\x04", "\ufdd4": "\x05"}
SEPARATOR, SECTION = "\x1f", "\x1e"


def main() -> int:
    for needed in ("unicodedata2", "regex"):
        if importlib.util.find_spec(needed) is None:
            return skipped(needed)
    wheels = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if wheels:
        with tempfile.TemporaryDirectory() as folder:
            with zipfile.ZipFile(wheels[0]) as packed:
                packed.extractall(folder)
            sys.path.insert(0, folder)
            built = build(Path(folder))
    else:
        installed = importlib.util.find_spec("ctok")
        if installed is None or installed.origin is None:
            return skipped("ctok==1.3.0")
        built = build(Path(installed.origin).parent.parent)
    stale = False
    for name, data in built.items():
        path = TARGET / name
        if "--check" in sys.argv[1:]:
            stale |= not path.exists() or path.read_bytes() != data
        else:
            path.write_bytes(data)
            print(f"{name}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
    if stale:
        print("the data of tokens/claude is not what the wheel gives", file=sys.stderr)
    return int(stale)


def skipped(needed: str) -> int:
    """Say what is missing; 77 is the exit code of a check that could not run."""
    print(f"skipped: needs {needed}", file=sys.stderr)
    return 77


def build(folder: Path) -> dict[str, bytes]:
    """File name to content."""
    unicode_data = importlib.import_module("unicodedata2")
    assert unicode_data.unidata_version == UNICODE, unicode_data.unidata_version
    sys.modules["unicodedata"] = unicode_data
    normalize = importlib.import_module("ctok.normalize")
    built = {"classes.bin": classes(normalize, unicode_data)}
    for name, digest in HASHES.items():
        data = (folder / "ctok/data" / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest, name
        built[name.replace(".json", ".bin")] = pieces(json.loads(data), normalize)
    return built


def classes(normalize: ModuleType, unicode_data: ModuleType) -> bytes:
    """The class of every BMP character, as runs: a class letter and a count."""
    letters = [letter(chr(code), normalize, unicode_data) for code in range(0x10000)]
    runs = "".join(f"{key}{len(list(group))}" for key, group in groupby(letters))
    return runs.encode("ascii")


def letter(char: str, normalize: ModuleType, unicode_data: ModuleType) -> str:
    """One letter for all that the engine asks of a character; normal.py explains the letters."""
    if "\ud800" <= char <= "\udfff":
        return "h"
    kind = normalize.classify(char)
    if kind == "space":
        return {" ": "b", "\t": "t", "\n": "n"}.get(char, "z")
    if kind == "wordy":
        return "s" if normalize._stray_mark(char) else "w"
    if kind == "digit":
        return "d" if char.isascii() else "a"
    if kind == "punct":
        return "p"
    if normalize._is_selector(char):
        return "v"
    hard: str = normalize._hard_kind(char)
    if hard == "punct":
        return "m"
    if hard == "number":
        return "k" if unicode_data.category(char) == "Nd" else "o"
    return "h"


def pieces(document: dict[str, Any], normalize: ModuleType) -> bytes:
    """One vocabulary: longest piece, single characters, other pieces, byte prefixes in hex."""
    notation = importlib.import_module("ctok.notation")
    groups = document["tokens"]
    found = {
        notation.parse_marked(piece)
        for name, group in groups.items()
        if name != "bytes_fallback"
        for piece in group
    }
    found |= {contraction + "\ufdd1" for contraction in groups["contractions"]}
    prove(found, normalize)
    marked = sorted(piece.translate(str.maketrans(MARKERS)) for piece in found)
    assert not any(SEPARATOR in piece or SECTION in piece for piece in marked)
    sections = (
        str(max(map(len, marked))),
        "".join(piece for piece in marked if len(piece) == 1),
        SEPARATOR.join(piece for piece in marked if len(piece) > 1),
        SEPARATOR.join(sorted(groups["bytes_fallback"])),
    )
    return SECTION.join(sections).encode("utf-8")


def prove(found: set[str], normalize: ModuleType) -> None:
    """What lets the engine count words and gaps one by one: no piece reaches across their edge."""
    bow, eow, cases = "\ufdd0", "\ufdd1", "\ufdd3\ufdd4"

    def kind(char: str) -> str:
        if char in MARKERS:
            return "marker"
        cls: str = normalize.classify(char)
        if cls != "hard":
            return cls
        return "letter" if normalize._hard_kind(char) == "letter" else "punct"

    digits = {f"{number:0{width}}" for width in (1, 2, 3) for number in range(10**width)}
    assert digits <= found, "a group of up to three ASCII digits must be one piece"
    for piece in found:
        assert eow not in piece[:-1], f"a word's end inside {piece!r}"
        assert bow not in piece.lstrip(cases)[1:], f"a word's start inside {piece!r}"
        body = [char for char in piece if char not in MARKERS]
        for left, right in pairwise(body):
            a, b = kind(left), kind(right)
            if "letter" in (a, b):
                raise AssertionError(f"an isolated letter inside {piece!r}")
            if "space" in (a, b):
                assert left == right, f"mixed white space in {piece!r}"
            elif "digit" in (a, b):
                assert a == b, piece
                assert left.isascii() == right.isascii(), piece
            elif a != b:
                # Only a contraction joins an apostrophe and the letters after it.
                assert (left, b) == ("'", "wordy"), piece
        if any(kind(char) in ("letter", "space", "digit") for char in body):
            assert len(body) == len(piece), f"a marker beside {piece!r}"


if __name__ == "__main__":
    sys.exit(main())
