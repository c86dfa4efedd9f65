"""The columns of an export are the fields of the wire's usage record, in one order."""

from __future__ import annotations

from nexctl.usage.columns import COLUMNS, NAMES
from nexctl.wire.usage import UsageRecord


def test_every_field_of_a_record_is_a_column_once() -> None:
    assert UsageRecord.__struct_fields__ == NAMES
    assert len(set(NAMES)) == len(COLUMNS)
