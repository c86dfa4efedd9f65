"""Usage that other gateways wrote: recognised by its fields, read as it is meant, or refused."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from nexctl.errors import UsageError
from nexctl.usage.audit.prices import Shelf
from nexctl.usage.audit.report import Report
from nexctl.usage.audit.run import Task, audit
from nexctl.usage.readers.foreign import (
    Foreign,
    any_rows,
    money,
    recognised,
    records,
    whole,
)
from nexctl.usage.readers.spool import spooled
from nexctl.usage.reading import open_export

NEW_API = {
    "id": 7,
    "created_at": 1790000000,
    "type": 2,
    "model_name": "gpt-4o-mini",
    "token_name": "ci",
    "quota": 225,
    "prompt_tokens": 1000,
    "completion_tokens": 500,
    "other": json.dumps({"model_ratio": 0.075, "completion_ratio": 4, "group_ratio": 1}),
}
LITELLM = {
    "request_id": "chatcmpl-1",
    "call_type": "acompletion",
    "api_key": "hash",
    "spend": 0.00045000000000000004,
    "prompt_tokens": 1000,
    "completion_tokens": 500,
    "startTime": "2026-11-21T10:00:00.123000+00:00",
    "model": "openai/gpt-4o-mini",
    "model_group": "gpt-4o-mini",
    "user": "u1",
    "cache_hit": "False",
    "status": "success",
    "metadata": {},
}
OPENROUTER = {
    "date": "2026-11-20",
    "model": "openai/gpt-4o-mini",
    "model_permaslug": "openai/gpt-4o-mini",
    "provider_name": "OpenAI",
    "requests": 10,
    "prompt_tokens": 10_000,
    "completion_tokens": 5_000,
    "reasoning_tokens": 0,
    "usage": 0.0045,
}


def put(path: Path, found: Any) -> Path:
    path.write_text(json.dumps(found))
    return path


def known(path: Path, mapped: dict[str, str] | None = None) -> Foreign:
    found = recognised(str(path), mapped)
    assert found is not None
    return found


def audited(found: Foreign, book: str = "openai") -> Report:
    shelf = Shelf(book)
    shelf.groups, shelf.inside = found.groups, found.inside
    with spooled(found.rows()) as path:
        return audit(Task(path, "log", shelf, grain=found.grain, step=found.step, says=found.says))


def test_new_api_logs_are_read_with_their_quota_and_ratios(tmp_path: Path) -> None:
    topup = {**NEW_API, "type": 1}
    data = {"success": True, "data": {"items": [NEW_API, topup], "total": 2}}
    found = known(put(tmp_path / "log.json", data))
    (row,) = found.rows()
    assert (row.charge, row.currency, row.created_at) == ("0.00045", "USD", "2026-09-21T14:13:20Z")
    assert (row.rate_input, row.rate_output, row.multiplier) == ("0.15", "0.6", "1")
    # The id of a user's own list repeats, so it is no request id.
    assert row.request_id is None
    assert audited(found).clean


def test_what_new_api_gave_back_is_taken_off_what_it_billed(tmp_path: Path) -> None:
    found = known(put(tmp_path / "log.json", [NEW_API, {**NEW_API, "type": 6, "quota": 100}]))
    assert [row.charge for row in found.rows()] == ["0.00045", "-0.0002"]
    report = audited(found)
    assert (report.clean, report.totals[0].billed) == (True, 250_000_000)
    assert any("gives back 0.0002 USD" in said for said in report.says)


def test_tokens_of_sound_and_pictures_are_never_priced_as_text(tmp_path: Path) -> None:
    """No column tells them apart, so that what is billed for them cannot be followed."""
    heard = {"prompt_tokens_details": {"audio_tokens": 300, "cached_tokens": 0}}
    drawn = {"completion_tokens_details": {"image_tokens": 400, "reasoning_tokens": 0}}
    silent = {"prompt_tokens_details": {"audio_tokens": 0}, "completion_tokens_details": None}
    logs = [
        {**LITELLM, "request_id": str(number), "metadata": {"usage_object": used}}
        for number, used in enumerate((heard, drawn, silent))
    ]
    said = {**NEW_API, "other": json.dumps({"audio": True, "audio_input": 0, "audio_output": 9})}
    for found, rules in ((logs, ["usage_missing"] * 2), ([said], ["usage_missing"])):
        report = audited(known(put(tmp_path / "log.json", found)))
        assert [one.rule for one in report.findings] == rules
        assert {one.expected for one in report.findings} == {None}


def test_lines_that_end_in_cr_alone_are_told_in_plain_words(tmp_path: Path) -> None:
    path = tmp_path / "mac.csv"
    path.write_bytes(b"created_at,charge\r2026-10-01T00:00:00Z,1\r")
    with pytest.raises(UsageError, match="its lines end in CR alone"):
        recognised(str(path))


def test_what_is_read_only_once_is_refused(tmp_path: Path) -> None:
    """A list is looked at before it is read: of a pipe the rest would be taken for all of it."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no pipes with names here")
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    # Opened for both, so that nobody waits for the other end.
    held = os.open(pipe, os.O_RDWR)
    try:
        with pytest.raises(UsageError, match="it is a pipe or a device"):
            any_rows(pipe)
    finally:
        os.close(held)


@pytest.mark.parametrize("text", ["[]", '{"success": true, "data": {"items": [], "total": 0}}'])
def test_an_answer_without_a_record_is_an_empty_list(tmp_path: Path, text: str) -> None:
    path = tmp_path / "log.json"
    path.write_text(text)
    report = audited(known(path))
    assert (report.rows, report.clean) == (0, True)


def test_a_group_that_the_book_has_as_a_tier_is_priced_by_it(tmp_path: Path) -> None:
    """nex-pro: 100,000 in and 10,000 out are 0.014 USD; the tier pro takes 1 % off."""

    def log(group: str, quota: int, ratio: float) -> dict[str, Any]:
        other = json.dumps({"group_ratio": ratio})
        counts = {"prompt_tokens": 100_000, "completion_tokens": 10_000}
        row = {**NEW_API, "model_name": "nex-pro", "quota": quota, "other": other}
        return {**row, **counts, "group": group, "created_at": 1795694400}

    found = known(
        put(tmp_path / "log.json", [log("Pro", 6930, 0.99), log("vip", 7000, 1), log("", 7000, 1)])
    )
    shelf = Shelf("nextoken")
    shelf.groups = found.groups
    with spooled(found.rows()) as path:
        assert audit(Task(path, "log", shelf)).clean
    dear = known(put(tmp_path / "dear.json", [log("vip", 14000, 2)]))
    with spooled(dear.rows()) as path:
        (finding,) = audit(Task(path, "log", shelf)).findings
    assert finding.rule == "multiplier"
    assert "the multiplier 2 that the record states" in finding.explanation


def test_the_step_of_new_api_s_quota_is_inferred(tmp_path: Path) -> None:
    logs = []
    for n in range(40):
        exact = (1000 + n) * 15 + (500 + n) * 60  # of 10**-8 USD
        quota = -(-exact // 200)  # always up to 1/500000
        logs.append(
            {**NEW_API, "prompt_tokens": 1000 + n, "completion_tokens": 500 + n, "quota": quota}
        )
    report = audited(known(put(tmp_path / "log.json", logs)))
    assert report.clean
    assert report.rounding is not None
    assert (report.rounding["step"], report.rounding["mode"]) == ("0.000002", "up")


def test_one_row_is_enough_for_the_step_that_a_source_is_known_to_have(tmp_path: Path) -> None:
    """No rows have to show that new-api counts in quota, and that LiteLLM rounds nothing."""
    counts = {"prompt_tokens": 2057, "completion_tokens": 113}
    row = {**NEW_API, **counts, "quota": 188}  # 188.175 exactly
    report = audited(known(put(tmp_path / "log.json", [row])))
    assert (report.clean, report.rounding and report.rounding["step"]) == (True, "0.000002")
    dear = audited(known(put(tmp_path / "dear.json", [{**row, "quota": 288}])))
    assert [one.rule for one in dear.findings] == ["rate"]
    # 1,001 x 0.0375 + 0 of 10**-6: ten decimals.
    cached = {"prompt_tokens_details": {"cached_tokens": 3}}
    spent = {
        "prompt_tokens": 3,
        "completion_tokens": 0,
        "spend": 2.25e-07 + 1e-12,
        "metadata": {"usage_object": cached},
    }
    found = known(put(tmp_path / "spend.json", [{**LITELLM, **spent}]))
    assert found.step == 1


def test_counts_are_read_as_the_source_counts_and_not_as_the_provider_does(tmp_path: Path) -> None:
    """Anthropic counts cached tokens beside input; LiteLLM and OpenRouter add them to it."""
    # claude-sonnet-4-5: 500 x 3 + 400 x 0.3 + 100 x 3.75 + 200 x 15 of 10**-6 USD.
    counts = {"prompt_tokens": 1000, "completion_tokens": 200}
    kept = {"cache_read_input_tokens": 400, "cache_creation_input_tokens": 100}
    spent = {**LITELLM, **counts, "model": "anthropic/claude-sonnet-4-5", "spend": 0.004995}
    report = audited(
        known(put(tmp_path / "a.json", [{**spent, "metadata": {"usage_object": kept}}])),
        "anthropic",
    )
    assert report.clean
    (row,) = report.readings
    assert (row["read"], row["book_says"]) == ("cached tokens inside input", "source")
    # Billed beside input after all: 1,000 x 3 and the rest.
    spent = {**spent, "spend": 0.006495, "metadata": {"usage_object": kept}}
    dear = audited(known(put(tmp_path / "b.json", [spent])), "anthropic")
    assert [one.rule for one in dear.findings] == ["cached_counted_twice"]
    # new-api marks what Claude's own format counted.
    other = {"claude": True, "cache_tokens": 400, "cache_creation_tokens": 100}
    log = {**NEW_API, "model_name": "claude-sonnet-4-5", **counts, "prompt_tokens": 500}
    log = {**log, "quota": 2498, "other": json.dumps(other)}
    found = known(put(tmp_path / "c.json", [log]))
    (read,) = found.rows()
    assert (read.input_tokens, audited(found, "anthropic").clean) == (1000, True)


def test_what_a_cache_keeps_longer_is_no_finding_and_told(tmp_path: Path) -> None:
    """claude-sonnet-4-5 for one hour: 500 x 3 + 400 x 0.3 + 100 x 6 + 200 x 15 of 10**-6 USD."""
    kept = {"cache_read_input_tokens": 400, "cache_creation_input_tokens": 100}
    log = {**LITELLM, "model": "anthropic/claude-sonnet-4-5", "metadata": {"usage_object": kept}}
    log |= {"prompt_tokens": 1000, "completion_tokens": 200}
    logs = [
        {**log, "request_id": "a", "spend": 0.00522},
        {**log, "request_id": "b", "spend": 0.004995},
    ]
    report = audited(known(put(tmp_path / "a.json", logs)), "anthropic")
    assert report.clean
    assert report.totals[0].difference == 0
    assert "1 row comes to what is billed where the cache keeps for 1h" in " ".join(report.says)
    dear = {**log, "spend": 0.00532}
    report = audited(known(put(tmp_path / "b.json", [dear])), "anthropic")
    assert [one.rule for one in report.findings] == ["rate"]


def test_a_file_that_reads_otherwise_than_its_source_is_a_finding(tmp_path: Path) -> None:
    logs = []
    for n in range(40):
        cached = {"prompt_tokens_details": {"cached_tokens": 100 + n}}
        spend = ((1000 + n) * 25 + (100 + n) * 125 // 10 + 500 * 100) / 10**7
        logs.append(
            {
                **LITELLM,
                "model": "gpt-4o",
                "request_id": str(n),
                "prompt_tokens": 1000 + n,
                "spend": spend,
                "metadata": {"usage_object": cached},
            }
        )
    logs = [log for log in logs if log["prompt_tokens"] % 2 == 0]
    (finding,) = audited(known(put(tmp_path / "log.json", logs))).findings
    assert (finding.rule, finding.row) == ("reading", 0)
    assert "the list's source counts otherwise" in finding.explanation


def test_a_group_that_the_book_prices_is_priced_by_its_ratio(tmp_path: Path) -> None:
    book = tmp_path / "relay.toml"
    book.write_text(
        """format = 1
[book]
id = "relay"
title = "Relay"
unit = "USD"
scale = 9
retrieved = 2026-01-01
said = { default = "ours" }
[groups]
default = "1"
VIP = "0.8"
[[models]]
id = "m"
rates = { input = "2", output = "8" }
"""
    )
    counts = {"prompt_tokens": 100_000, "completion_tokens": 10_000, "model_name": "m"}
    rows = [
        {**NEW_API, **counts, "quota": quota, "group": group, "other": ""}
        for group, quota in (("vip", 112_000), ("default", 140_000), ("unheard", 140_000))
    ]
    shelf = Shelf(str(book))
    shelf.groups = True
    with spooled(known(put(tmp_path / "log.json", rows)).rows()) as path:
        assert audit(Task(path, "log", shelf)).clean
    # The list price is not the group's.
    rows[0]["quota"] = 140_000
    with spooled(known(put(tmp_path / "log.json", rows)).rows()) as path:
        assert [one.row for one in audit(Task(path, "log", shelf)).findings] == [1]


@pytest.mark.parametrize("data", ["data", "items", "logs"])
def test_a_document_of_one_long_line_is_no_jsonl(tmp_path: Path, data: str) -> None:
    """As an API answers: all of it in one line, longer than what is looked at."""
    path = put(tmp_path / "log.json", {"success": True, data: [NEW_API] * 400})
    assert path.stat().st_size > 1 << 16
    assert len(list(known(path).rows())) == 400
    path.write_text((json.dumps({**NEW_API, "content": "x" * (1 << 17)}) + "\n") * 2)
    assert len(list(known(path).rows())) == 2


def test_litellm_spend_logs_are_read_at_twelve_decimals(tmp_path: Path) -> None:
    failed = {**LITELLM, "request_id": "2", "status": "failure", "spend": 0, "model": "what"}
    kept = {**LITELLM, "request_id": "3", "cache_hit": "True", "spend": 0}
    found = known(put(tmp_path / "logs.json", [LITELLM, failed, kept]))
    rows = list(found.rows())
    assert [row.charge for row in rows] == ["0.00045", "0", "0"]
    assert [row.status for row in rows] == ["ok", "error", "ok"]
    assert audited(found).clean
    dear = put(tmp_path / "dear.json", [{**LITELLM, "spend": 0.00065}])
    assert [one.rule for one in audited(known(dear)).findings] == ["rate"]


def test_openrouter_activity_is_audited_by_the_day_and_said_so(tmp_path: Path) -> None:
    found = known(put(tmp_path / "activity.json", {"data": [OPENROUTER]}))
    report = audited(found)
    assert (report.grain, report.clean) == ("day", True)
    assert any("audited by day" in said for said in report.says)
    # Ten requests, each rounded, cannot make half a dollar of difference.
    dear = known(put(tmp_path / "dear.json", {"data": [{**OPENROUTER, "usage": 0.5}]}))
    (finding,) = audited(dear).findings
    assert (finding.rule, finding.expected) == ("rate", 4_500_000_000)


@pytest.mark.parametrize(
    "text", ["1_000", "\u0661\u0662", "$5", "1,5", "inf", "nan", "1e9999", "-"]
)
def test_a_number_is_written_in_ascii_digits(text: str) -> None:
    for read in (money, whole):
        with pytest.raises(ValueError, match="is no "):
            read(text)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"spend": "a lot"}, "record 2"),
        ({"startTime": "yesterday"}, "record 2"),
        ({"startTime": "9" * 30}, "record 2"),
        ({"prompt_tokens": -1}, "record 2"),
        ({"prompt_tokens": 1.5}, "record 2"),
    ],
)
def test_a_malformed_record_is_refused_by_its_place(
    tmp_path: Path, change: dict[str, Any], place: str
) -> None:
    found = known(put(tmp_path / "logs.json", [LITELLM, {**LITELLM, **change}]))
    with pytest.raises(UsageError, match=place) as refused:
        list(found.rows())
    assert refused.value.exit == 2


def test_lines_are_numbered_in_jsonl_and_csv(tmp_path: Path) -> None:
    path = tmp_path / "logs.jsonl"
    path.write_text(json.dumps(LITELLM) + "\n" + json.dumps(LITELLM) + "\n{oops\n")
    with pytest.raises(UsageError, match="line 3"):
        list(known(path).rows())
    path = tmp_path / "logs.csv"
    path.write_text("request_id,startTime,spend,model\na,2026-11-21,1,m\nb,2026-11-21,x,m\n")
    with pytest.raises(UsageError, match="line 3"):
        list(known(path).rows())


def test_an_export_without_a_record_is_one_in_jsonl_too(tmp_path: Path) -> None:
    path = tmp_path / "october.jsonl"
    path.write_bytes(b"")
    with pytest.raises(UsageError, match="the file is empty"):
        any_rows(str(path))
    (tmp_path / "october.jsonl.manifest.json").write_text('{"format": "jsonl"}')
    assert list(any_rows(str(path))[0]) == []
    assert audit(Task(str(path), path.name, Shelf())).clean


def test_nexctl_s_own_export_is_left_to_its_reader(tmp_path: Path) -> None:
    assert recognised(str(put(tmp_path / "a.jsonl", {"charge": "1", "created_at": "x"}))) is None


@pytest.mark.parametrize("text", ["", "   \n", '{"data": [5]}', "[1, 2]"])
def test_what_is_no_list_of_usage_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(UsageError):
        recognised(str(path))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (gzip.compress(b"created_at,charge\n", mtime=0), "compressed by gzip"),
        ("created_at,charge\n".encode("utf-16"), "written in UTF-16"),
        (b"PK\x03\x04 and so on", "an archive or a workbook"),
        (b"created_at,charge\n2026\0,1\n", "it is no text"),
        ("created_at,charge\n\u00e9,1\n".encode("latin-1"), "line 2: it is not written in UTF-8"),
    ],
)
def test_what_is_no_text_in_utf_8_is_told_in_plain_words(
    tmp_path: Path, data: bytes, says: str
) -> None:
    path = tmp_path / "usage.csv"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=says) as refused:
        list(any_rows(str(path))[0])
    assert refused.value.exit == 2


def test_a_line_without_end_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexctl.usage.readers.foreign.MAX_LINE_BYTES", 1 << 20)
    for name, first in (("usage.csv", "Date,Cost\n"), ("usage.jsonl", "{}\n")):
        path = tmp_path / name
        path.write_text(first + "{" + "x" * (2 << 20) + "\n")
        with pytest.raises(UsageError, match="line 2: it is longer than 1 MiB"):
            list(records(str(path)))


def test_a_file_with_tabs_or_one_document_is_told_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_text("created_at\tcharge\n")
    with pytest.raises(UsageError) as refused:
        open_export(str(path))
    assert "commas" in (refused.value.hint or "")
    path.write_text('[{"created_at": "2026-11-26T12:00:00Z", "charge": "1"}]')
    with pytest.raises(UsageError) as refused:
        open_export(str(path))
    assert "jq -c '.[]'" in (refused.value.hint or "")
    path.write_text('{"schema": 1, "data": [{"created_at": "2026-11-26T12:00:00Z"}]}')
    with pytest.raises(UsageError) as refused:
        open_export(str(path))
    assert "jq -c '.data[]'" in (refused.value.hint or "")
