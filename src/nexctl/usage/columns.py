"""The columns of a usage export: their order and what each holds. Field names are an API.

`text` columns are guarded in sheets, `number` columns never are; `whole` is a count, `decimal` an
amount or a factor, `time` RFC 3339 UTC, `truth` true or false, `json` an object as JSON text.
"""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """One column: its name and its kind (text, time, truth, json, whole, decimal)."""

    name: str
    kind: str


COLUMNS: tuple[Column, ...] = (
    Column("created_at", "time"),
    Column("request_id", "text"),
    Column("gateway", "text"),
    Column("customer_id", "text"),
    Column("org_id", "text"),
    Column("project", "text"),
    Column("member_id", "text"),
    Column("key_id", "text"),
    Column("key_name", "text"),
    Column("parent_key_id", "text"),
    Column("labels", "json"),
    Column("endpoint", "text"),
    Column("model_requested", "text"),
    Column("model_served", "text"),
    Column("provider", "text"),
    Column("status", "text"),
    Column("requests", "whole"),
    Column("input_tokens", "whole"),
    Column("cached_input_tokens", "whole"),
    Column("cache_write_tokens", "whole"),
    Column("output_tokens", "whole"),
    Column("reasoning_tokens", "whole"),
    Column("images", "whole"),
    Column("videos", "whole"),
    Column("seconds", "whole"),
    Column("gpu_seconds", "whole"),
    Column("semantic_cache_hit", "truth"),
    Column("batch_id", "text"),
    Column("rate_input", "decimal"),
    Column("rate_cached_input", "decimal"),
    Column("rate_output", "decimal"),
    Column("rates", "json"),
    Column("multiplier", "decimal"),
    Column("tier", "text"),
    Column("charge", "decimal"),
    Column("currency", "text"),
    Column("credits", "decimal"),
    Column("balance_delta", "decimal"),
    Column("balance_after", "decimal"),
    Column("sequence", "whole"),
    Column("price_book", "text"),
    Column("latency_ms", "whole"),
    Column("ttft_ms", "whole"),
)
NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
