"""Cutting a file into batches that a target takes: by requests, bytes, inputs and queue tokens.

The order of the lines is kept: a batch holds consecutive lines of its endpoint and model, and no
batch begins before the one before it is full.
"""

from __future__ import annotations

from typing import NamedTuple

from nexctl.batch.limits import Target


class Group(NamedTuple):
    """What all lines of one batch share."""

    url: str
    model: str


class Shard:
    """One batch to be: which lines, how large. `offset` is where its first line begins."""

    __slots__ = ("bytes", "group", "inputs", "number", "offset", "requests", "tokens")

    def __init__(self, number: int, group: Group, offset: int) -> None:
        self.number = number
        self.group = group
        self.offset = offset
        self.requests = self.bytes = self.tokens = self.inputs = 0

    def __repr__(self) -> str:
        return f"<Shard {self.number}: {self.requests} requests, {self.bytes} bytes>"


class Limits(NamedTuple):
    """The most of one batch; None is no limit."""

    requests: int | None
    bytes: int | None
    inputs: int | None
    tokens: int | None

    def lets(self, shard: Shard, size: int, tokens: int, inputs: int) -> bool:
        """Whether one more line fits."""
        return (
            (self.requests is None or shard.requests + 1 <= self.requests)
            and (self.bytes is None or shard.bytes + size <= self.bytes)
            and (self.inputs is None or shard.inputs + inputs <= self.inputs)
            and (self.tokens is None or shard.tokens + tokens <= self.tokens)
        )


def limits_of(
    target: Target, *, queue_tokens: int | None = None, requests: int | None = None
) -> Limits:
    """A target's limits, with what the account allows and what the caller wants less of."""
    most = [number for number in (target.requests, requests) if number is not None]
    return Limits(min(most) if most else None, target.bytes, target.inputs, queue_tokens)


class Planner:
    """Puts each line into a batch, in order. A line that fits no batch gets one of its own."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.shards: list[Shard] = []
        self._open: dict[Group, Shard] = {}

    def add(self, group: Group, offset: int, size: int, tokens: int, inputs: int) -> Shard:
        """The batch of the next line: `size` in bytes with its line end."""
        shard = self._open.get(group)
        if shard is None or (shard.requests and not self.limits.lets(shard, size, tokens, inputs)):
            shard = Shard(len(self.shards) + 1, group, offset)
            self.shards.append(shard)
            self._open[group] = shard
        shard.requests += 1
        shard.bytes += size
        shard.tokens += tokens
        shard.inputs += inputs
        return shard
