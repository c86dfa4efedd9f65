"""What a kind of gateway takes in one batch: a table of data, one row a kind."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from nexctl.errors import UsageError
from nexctl.estimate.batch_lines import LONGEST_ID, Rules

# Drivers whose row has another name.
ROWS = {"embedded": "nexctl"}

# The field that states a request's maximum, by endpoint; chat's is the default.
OUTPUT_LIMIT = {"/v1/responses": "max_output_tokens", "/v1/completions": "max_tokens"}


class Target(NamedTuple):
    """The limits of one kind of gateway; None is "not published", and then not checked."""

    name: str
    title: str
    source: str
    form: str = "files"
    requests: int | None = None
    bytes: int | None = None
    inputs: int | None = None
    id_pattern: str | None = None
    longest_id: int = LONGEST_ID
    endpoints: tuple[str, ...] = ()
    queue: bool = False

    def rules(self, *, wire: bool = False, needs_max_output: bool = True) -> Rules:
        """The check of one line. Before ids are mapped (`wire` False) any id is taken."""
        return Rules(
            endpoints=self.endpoints,
            id_pattern=self.id_pattern if wire else None,
            longest_id=self.longest_id if wire else LONGEST_ID,
            needs_max_output=needs_max_output,
        )

    @property
    def wire_rules(self) -> Rules:
        """What an id must be when it is sent."""
        return self.rules(wire=True)


def names() -> tuple[str, ...]:
    """Every kind there is a row for."""
    return tuple(_table())


def of(name: str) -> Target:
    """The row of a driver or kind. UsageError (exit 2) for one that there is not."""
    row = _table().get(ROWS.get(name, name))
    if row is None:
        raise UsageError(
            f"no batch limits are known for {name!r}",
            hint=f"--for takes {', '.join(names())}",
            code="unknown_target",
        )
    return row


def output_limit(url: str | None) -> str:
    """The field of a request of this endpoint that limits its output."""
    return OUTPUT_LIMIT.get(url or "", "max_completion_tokens")


@lru_cache(maxsize=1)
def _table() -> dict[str, Target]:
    import os
    import tomllib

    with open(os.path.join(os.path.dirname(__file__), "limits.toml"), "rb") as stream:
        found: dict[str, dict[str, Any]] = tomllib.load(stream)
    return {
        name: Target(name, **{**row, "endpoints": tuple(row.get("endpoints", ()))})
        for name, row in found.items()
    }
