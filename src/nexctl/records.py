"""Nouns that more than one room passes along. Plain values, no behaviour that needs a library."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Meter = Literal[
    "input",
    "cached_input",
    "cache_write",
    "output",
    "reasoning",
    "request",
    "image",
    "second",
    "video",
    "gpu_second",
]
METERS: tuple[str, ...] = get_args(Meter)


class Usage(NamedTuple):
    """Counted quantities of one metered request, each a non-negative integer.

    Whether `cached_input` lies inside `input`, and `reasoning` inside `output`, is a field of the
    price book, never a guess (`input_includes_cached`, `output_includes_reasoning`).
    """

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    request: int = 1
    image: int = 0
    second: int = 0
    video: int = 0
    gpu_second: int = 0
