"""How batches are shown: faults, quotes, jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nexctl.cli.figures import money, plural, tokens
from nexctl.cli.render import Column, Table, View

if TYPE_CHECKING:
    from nexctl.batch.limits import Target
    from nexctl.batch.quoting import Quote
    from nexctl.batch.scan import Scan
    from nexctl.cli.render import Screen
    from nexctl.estimate.gate import Gate

SHOWN_FAULTS = 50


def check_view(found: Scan, target: Target) -> View:
    """The answer of `batch check`."""
    from nexctl.batch.scan import place

    def data() -> dict[str, Any]:
        return {
            "file": found.name,
            "target": target.name,
            "ok": found.ok,
            "requests": found.requests,
            "bytes": found.bytes,
            "groups": [
                {"endpoint": group.url, "model": group.model, "requests": count}
                for group, count in found.groups.items()
            ],
            "batches": len(found.shards),
            "mapped_ids": found.mapped,
            "fault_counts": found.fault_counts,
            "faults": [fault.as_json() for fault in found.faults],
        }

    def write(screen: Screen) -> None:
        screen.line((f"{found.name} for {target.title}, limits {target.source}", "bold"))
        total = sum(found.fault_counts.values())
        for fault in found.faults[:SHOWN_FAULTS]:
            screen.line(f"{place(found.name, fault)}: ", (fault.code, "red"), f": {fault.message}")
        if total > SHOWN_FAULTS:
            screen.line(f"and {total - SHOWN_FAULTS:,} more faults; -o json lists them")
        screen.line(f"{plural(found.requests, 'request')}, {tokens(found.bytes)} bytes")
        for group, count in found.groups.items():
            screen.line(f"  {plural(count, 'request')} of {group.model} to {group.url}")
        if found.mapped:
            screen.line(f"{plural(found.mapped, 'custom_id')} sent as h_... and mapped back")
        if found.ok:
            screen.line(("no fault", "green"), f"; {plural(len(found.shards), 'batch', 'batches')}")

    return View(
        data,
        text=write,
        table=lambda: Table(
            ("line", "code", "param", "message"),
            [(f.line, f.code, f.param, f.message) for f in found.faults],
        ),
        lines=lambda: [fault.as_json() for fault in found.faults],
    )


def quote_view(
    quote: Quote, gate: Gate | None, batches: int, name: str, *, dry_run: bool = False
) -> View:
    """The answer of `batch quote`, and of a dry run of what sends."""

    def data() -> dict[str, Any]:
        return {
            **quote.as_json(),
            "batches": batches,
            "gate": gate.as_json() if gate is not None else None,
            **({"dry_run": True} if dry_run else {}),
        }

    row = data()
    columns = ("requests", "input_tokens", "charge_low", "charge_high", "sync_low", "sync_high",
               "currency", "spendable", "refused")  # fmt: skip
    cells = (row["requests"], row["input_tokens"], row["charge"]["low"], row["charge"]["high"],
             row["sync_charge"]["low"], row["sync_charge"]["high"], row["currency"],
             row["spendable"], row["refused"])  # fmt: skip

    def write(screen: Screen) -> None:
        if dry_run:
            screen.line(("dry run: nothing was sent", "bold"))
        screen.line((f"{quote.title} · {', '.join(quote.models)}", "bold"))
        screen.line(f"{name}: {plural(batches, 'batch', 'batches')}")
        write_quote(screen, row)
        if quote.rules.words:
            screen.line(f"batch price: {quote.rules.words}")
        if gate is not None:
            word = ("within", "green") if gate.passed else ("over", "red")
            screen.line(word, f" --max-cost: {gate.words}")

    return View(data, text=write, table=lambda: Table(columns, [cells]))


def write_quote(screen: Screen, quoted: dict[str, Any]) -> None:
    """The lines of a quote."""
    unit = quoted["currency"]
    count, output = quoted["count"], quoted["output_tokens"]
    sure = "exact" if count["exact"] else f"{count['method']}, counted as {count['tokenizer']}"
    rows = [
        ("requests", tokens(quoted["requests"]), ""),
        ("input tokens", tokens(quoted["input_tokens"]), sure),
        ("output tokens", f"{tokens(output['low'])} to {tokens(output['high'])}", ""),
        ("charge", _between(quoted["charge"], unit), "as a batch"),
        ("sync", _between(quoted["sync_charge"], unit), "one by one"),
    ]
    if quoted["spendable"] is not None:
        answer = "it would be refused" if quoted["refused"] else "enough"
        rows.append(("spendable", money(quoted["spendable"], unit), answer))
    screen.table(Table((Column("", ""), Column("", "", right=True), Column("", "")), rows))
    for note in quoted["notes"]:
        screen.line((f"note: {note}", "dim"))


def job_view(report: dict[str, Any]) -> View:
    """The answer of `batch status`, `wait`, `run` and the others that end in a job."""

    def write(screen: Screen) -> None:
        what = report["model"] or plural(len(report["models"]), "model")
        head = f"{report['id']} · {report['gateway']} · {what} · profile {report['profile']}"
        screen.line((head, "bold"))
        screen.line(f"{report['file']}: {report['state']}")
        counts = report["counts"]
        words = [f"{tokens(counts[name])} {name}" for name in counts if name != "total"
                 and counts[name]]  # fmt: skip
        screen.line(f"of {plural(counts['total'], 'line')}: {', '.join(words) or 'none done'}")
        unit = report["currency"] or ""
        if report["quote"] is not None:
            quoted = report["quote"]
            screen.line(f"quote {_between(quoted['charge'], quoted['currency'])}")
        if report["charge"] is not None:
            screen.line(f"charge {money(report['charge'], unit)}")
        if len(report["shards"]) > 1 or report["state"] not in ("completed",):
            screen.table(_shards(report["shards"]), indent=2)
        if report["retries"]:
            screen.line(f"retries: {', '.join(report['retries'])}")
        if report["results"]:
            screen.line(f"results in {report['results']}")

    return View(report, text=write, table=lambda: _shards(report["shards"]), names=[report["id"]])


def jobs_view(reports: Sequence[dict[str, Any]]) -> View:
    """The answer of `batch list`."""
    rows = [
        (
            row["id"],
            row["state"],
            row["profile"],
            row["model"],
            row["counts"]["total"],
            row["counts"]["succeeded"],
            row["charge"],
            row["currency"],
            row["created_at"],
            row["file"],
        )
        for row in reports
    ]
    columns = (
        "id", "state", "profile", "model", Column("requests", right=True),
        Column("succeeded", right=True), Column("charge", right=True), "currency", "created_at",
        "file",
    )  # fmt: skip
    return View(list(reports), table=Table(columns, rows), names=[row["id"] for row in reports])


def _shards(shards: Sequence[dict[str, Any]]) -> Table:
    columns = (
        Column("batch", right=True), "batch_id", "state", "status", Column("requests", right=True),
        Column("succeeded", right=True), Column("failed", right=True), "fault",
    )  # fmt: skip
    return Table(
        columns,
        [
            (
                row["number"], row["batch_id"], row["state"], row["status"], row["requests"],
                row["succeeded"], row["failed"], row["fault"],
            )
            for row in shards
        ],
    )  # fmt: skip


def _between(charge: dict[str, Any], unit: str) -> str:
    low, high = money(charge["low"], unit), money(charge["high"], unit)
    return low if low == high else f"{low} to {high}"
