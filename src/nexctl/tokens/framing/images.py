"""Tokens of an image by its size, from the vendors' published formulas; no image is ever fetched.

Width and height come from the first bytes of a PNG, JPEG, GIF or WebP. Formulas and their bands are
data (families.toml, [image.*]).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nexctl.tokens.families_data import IMAGES
from nexctl.tokens.framing.fields import fault

DETAILS = ("auto", "low", "high", "original")
Size = tuple[int, int]

# How much of an image is read to find its size (a JPEG's previews come before it).
_HEAD = 1 << 20


class Span(NamedTuple):
    """A count that is not exact: the printed tokens and the bounds of the true ones."""

    tokens: int
    low: int
    high: int


def image_tokens(rule: str, size: Size | None, detail: str) -> Span:
    """Tokens of one image under the rule of that name; the largest where the size is unknown."""
    row = IMAGES[rule]
    kind = row["kind"]
    if kind == "tile":
        return _tiles(row, size, detail)
    if kind == "fixed":
        tokens = int(row.get("high" if detail == "auto" else detail, row["high"]))
        return _banded(tokens, row)
    if kind == "gemini-tile":
        return _gemini_tiles(row, size)
    return _patches({**row, **row.get(f"detail_{detail}", {})}, size)


def _tiles(row: Mapping[str, Any], size: Size | None, detail: str) -> Span:
    base, tile = int(row["base"]), int(row["tile"])
    if detail == "low":
        return Span(base, base, base)
    if size is None:
        # From one tile to the most that fits: 2048 x 768.
        return Span(base + 8 * tile, base + tile, base + 8 * tile)
    width, height = _fit(size, 2048)
    short = min(width, height)
    if short > 768:
        width, height = max(1, width * 768 // short), max(1, height * 768 // short)
    return _banded(base + tile * _up(width, 512) * _up(height, 512), row)


def _patches(row: Mapping[str, Any], size: Size | None) -> Span:
    side, cap, edge = int(row["side"]), int(row["cap"]), int(row.get("edge", 1 << 16))
    if size is None:
        most = _scaled(min(cap, _up(edge, side) ** 2), row["factor"])
        return Span(most, _scaled(1, row["factor"]), _percent(most, row["high_percent"]))
    width, height = _fit(size, edge)
    patches = _up(width, side) * _up(height, side)
    capped = patches > cap
    if capped:
        patches = _shrunk(width, height, side, cap, str(row.get("shrink", "area")))
    tokens = _scaled(patches, row["factor"])
    if row.get("capped_only") and not capped:
        return Span(tokens, _percent(tokens, "-2"), _percent(tokens, "2"))
    return _banded(tokens, row)


def _shrunk(width: int, height: int, side: int, cap: int, how: str) -> int:
    """Patches of an image that is scaled down until at most `cap` patches cover it."""
    if how == "edge":
        low, high = 1, max(width, height)
        while low < high:
            edge = (low + high + 1) // 2
            w, h = _fit((width, height), edge)
            low, high = (edge, high) if _up(w, side) * _up(h, side) <= cap else (low, edge - 1)
        w, h = _fit((width, height), low)
        return _up(w, side) * _up(h, side)
    # The area first, then down to whole patches on the tighter side.
    shrink = (side * side * cap / (width * height)) ** 0.5
    wide, tall = width * shrink / side, height * shrink / side
    shrink *= min(max(1, int(wide)) / wide, max(1, int(tall)) / tall)
    return _up(max(1, int(width * shrink)), side) * _up(max(1, int(height * shrink)), side)


def _gemini_tiles(row: Mapping[str, Any], size: Size | None) -> Span:
    tile = int(row["tile"])
    if size is None:
        return Span(16 * tile, tile, 16 * tile)
    width, height = size
    if width <= 384 and height <= 384:
        return Span(tile, tile, tile)
    tokens = tile * _up(width, 768) * _up(height, 768)
    # The page also describes a crop of two thirds of the short side, which gives more tiles.
    crop = max(256, min(768, min(width, height) * 2 // 3))
    other = tile * _up(width, crop) * _up(height, crop)
    return Span(tokens, tile, max(tokens, other))


def _fit(size: Size, edge: int) -> Size:
    """`size` scaled down so that its long edge is at most `edge`."""
    width, height = size
    long = max(width, height)
    if long <= edge:
        return size
    return max(1, (2 * width * edge + long) // (2 * long)), max(
        1, (2 * height * edge + long) // (2 * long)
    )


def _up(value: int, step: int) -> int:
    return -(-value // step)


def _scaled(patches: int, factor: str) -> int:
    whole, _, part = factor.partition(".")
    return _up(patches * int(whole + part), int(10 ** len(part)))


def _banded(tokens: int, row: Mapping[str, Any]) -> Span:
    return Span(tokens, _percent(tokens, row["low_percent"]), _percent(tokens, row["high_percent"]))


def _percent(tokens: int, percent: str) -> int:
    hundredths = 10_000 + round(float(percent) * 100)
    return (
        tokens * hundredths // 10_000 if hundredths < 10_000 else _up(tokens * hundredths, 10_000)
    )


# -- sizes


def size_of_base64(encoded: str, path: str) -> Size | None:
    """Width and height of an image in base64; None for a format that is not read here."""
    import binascii

    head = encoded[: _HEAD // 3 * 4]
    head = head[: len(head) // 4 * 4]
    try:
        data = binascii.a2b_base64(head)
    except ValueError:
        data = b""
    if not data:
        fault(path, "an image in base64", encoded)
    size = size_of(data)
    if size is not None and (size[0] < 1 or size[1] < 1):
        fault(path, "an image with a width and a height", encoded)
    return size


def size_of(data: bytes) -> Size | None:
    """Width and height from the head of a PNG, GIF, WebP or JPEG; None for anything else."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and len(data) >= 24:
        return _big(data[16:20]), _big(data[20:24])
    if data[:6] in (b"GIF87a", b"GIF89a") and len(data) >= 10:
        return _little(data[6:8]), _little(data[8:10])
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30:
        return _webp(data)
    if data[:2] == b"\xff\xd8":
        return _jpeg(data)
    return None


def _webp(data: bytes) -> Size | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return _little(data[24:27]) + 1, _little(data[27:30]) + 1
    if kind == b"VP8L" and data[20] == 0x2F:
        bits = _little(data[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        return _little(data[26:28]) & 0x3FFF, _little(data[28:30]) & 0x3FFF
    return None


def _jpeg(data: bytes) -> Size | None:
    place = 2
    while place + 9 <= len(data):
        if data[place] != 0xFF:
            return None
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD9:
            place += 2
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _big(data[place + 7 : place + 9]), _big(data[place + 5 : place + 7])
        else:
            place += 2 + _big(data[place + 2 : place + 4])
    return None


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
