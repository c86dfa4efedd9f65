"""Any list of usage by a map: its numbers, times and truths are known, or refused plainly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nexctl.errors import UsageError
from nexctl.usage.audit.prices import Shelf
from nexctl.usage.audit.report import Report
from nexctl.usage.audit.run import Task, audit
from nexctl.usage.readers.foreign import Foreign, recognised
from nexctl.usage.readers.mapped import parse_map
from nexctl.usage.readers.spool import spooled


def known(path: Path, mapped: dict[str, str]) -> Foreign:
    found = recognised(str(path), mapped)
    assert found is not None
    return found


def audited(found: Foreign) -> Report:
    with spooled(found.rows()) as path:
        return audit(Task(path, "log", Shelf("openai"), step=found.step, says=found.says))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("2026-10-01;1.000;0,50",), "In: '1.000' may be thousands or decimals"),
        (("2026-10-01;1000;1.234,50",), "Cost: '1.234,50' is written otherwise"),
        (("2026-10-01;1000;0,50", "2026-10-01;1000;1.234"), "line 3: Cost: '1.234' is written"),
        (("2026-10-01;1000;(1,00)",), "Cost: '(1.00)' is no amount"),
        (("01.10.2026;1000;1,00",), "Date: '01.10.2026' is no time like"),
    ],
)
def test_a_number_that_may_be_read_in_two_ways_is_refused(
    tmp_path: Path, lines: tuple[str, ...], words: str
) -> None:
    path = tmp_path / "list.csv"
    path.write_text("\n".join(("Date;In;Cost", *lines)))
    mapped = parse_map(("created_at=Date,input_tokens=In,charge=Cost",))
    with pytest.raises(UsageError) as refused:
        list(known(path, mapped).rows())
    assert words in refused.value.message


def test_a_point_may_be_the_decimal_sign_between_semicolons(tmp_path: Path) -> None:
    path = tmp_path / "swiss.csv"
    path.write_text("Date;In;Cost\n2026-10-01;1000.0;1.234\n2026-10-01;1000;2")
    mapped = parse_map(("created_at=Date,input_tokens=In,charge=Cost",))
    rows = known(path, mapped).rows()
    assert [(row.input_tokens, row.charge) for row in rows] == [(1000, "1.234"), (1000, "2")]


@pytest.mark.parametrize(
    ("cell", "time"),
    [
        ("1790000000", "2026-09-21T14:13:20Z"),
        ("1790000000999", "2026-09-21T14:13:20Z"),
        ("20260921", "2026-09-21T00:00:00Z"),
        ("20260921141320", None),
        ("202609211413", None),
        ("1790000000999000", None),
    ],
)
def test_digits_are_a_unix_time_only_where_they_can_be_one(
    tmp_path: Path, cell: str, time: str | None
) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"Date,Cost\n{cell},1\n")
    found = known(path, parse_map(("created_at=Date,charge=Cost",)))
    if time is None:
        with pytest.raises(UsageError, match=f"Date: '{cell}' is no time like"):
            list(found.rows())
    else:
        assert [row.created_at for row in found.rows()] == [time]


@pytest.mark.parametrize(
    ("cell", "hit"), [("HIT", True), ("1", True), ("no", False), ("", None), ("WAHR", "refused")]
)
def test_a_mapped_truth_is_known_or_refused(tmp_path: Path, cell: str, hit: Any) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"Date,Cost,Hit\n2026-10-01,1,{cell}\n")
    found = known(path, parse_map(("created_at=Date,charge=Cost,semantic_cache_hit=Hit",)))
    if hit == "refused":
        with pytest.raises(UsageError, match="Hit: 'WAHR' is neither true nor false"):
            list(found.rows())
    else:
        assert [row.semantic_cache_hit for row in found.rows()] == [hit]


def test_a_mapped_column_stands_once(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("Date,Note,Note,Cost\n2026-10-01,a,b,1\n")
    assert len(list(known(path, parse_map(("created_at=Date,charge=Cost",))).rows())) == 1
    path.write_text("Date,Cost,Cost\n2026-10-01,1,2\n")
    with pytest.raises(UsageError, match="two columns 'Cost'"):
        known(path, parse_map(("created_at=Date,charge=Cost",)))


def test_another_csv_is_read_by_a_map(tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    path.write_text(
        "Date;Model;In;Out;Cost\n2026-11-21;gpt-4o-mini;1000;500;0.00045\n"
        "2026-11-21 10:00:00;gpt-4o-mini;1000;500;0.00046\n"
    )
    mapped = parse_map(
        (
            "created_at=Date,model_served=Model,input_tokens=In",
            "output_tokens=Out,charge=Cost,currency=@USD",
        )
    )
    report = audited(known(path, mapped))
    assert (report.rows, [one.row for one in report.findings]) == (2, [2])
    with pytest.raises(UsageError, match="no column 'Price'"):
        recognised(str(path), {"charge": "Price"})
    with pytest.raises(UsageError, match="--map"):
        parse_map(("cost=Cost",))


def test_commas_are_decimal_where_semicolons_part_the_cells(tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    mapped = parse_map(("created_at=Date,input_tokens=In,charge=Cost,model_served=Model",))
    path.write_text("Date;Model;In;Cost\n20261121;m;1000;0,00045\n")
    (row,) = known(path, mapped).rows()
    # Eight digits are a day, not a second of 1970.
    assert (row.charge, row.created_at) == ("0.00045", "2026-11-21T00:00:00Z")
    path.write_text('Date,Model,In,Cost\n2026-11-21,m,1000,"0,00045"\n')
    with pytest.raises(UsageError, match=r"line 2: Cost: '0,00045' is no amount"):
        list(known(path, mapped).rows())


@pytest.mark.parametrize("status", ["failure", "FAILED", "Error", "500", "429", "false"])
def test_what_another_list_calls_a_failure_is_one(tmp_path: Path, status: str) -> None:
    path = tmp_path / "bill.csv"
    path.write_text(
        "Date,Model,State,In,Out,Cost\n"
        f"2026-11-21,gpt-4o,{status},1000,0,0\n"
        f"2026-11-21,gpt-4o,{status},1000,0,0.0025\n"
        "2026-11-21,gpt-4o,200,1000,0,0.0025\n"
        "2026-11-21,gpt-4o,success,1000,0,0.0025\n"
        "2026-11-21,gpt-4o,,1000,0,0.0025\n"
    )
    mapped = parse_map(
        (
            "created_at=Date,model_served=Model,status=State",
            "input_tokens=In,output_tokens=Out,charge=Cost",
        )
    )
    report = audited(known(path, mapped))
    assert [(one.rule, one.row) for one in report.findings] == [("failed_charged", 2)]
