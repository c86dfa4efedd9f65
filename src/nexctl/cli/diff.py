"""`nexctl diff`: what a change of prompts costs, and the gate for CI."""

from __future__ import annotations

import os
from typing import Any

from nexctl.cli.base import App, View, argument, command, option
from nexctl.cli.estimate import PRICED_AS, ask_from
from nexctl.cli.figures import change, money, plural, tokens
from nexctl.cli.render import Column, Screen, Table
from nexctl.errors import CheckFailed, UsageError
from nexctl.estimate.ask import parse_volume
from nexctl.estimate.compare import Comparison, Row, compare
from nexctl.estimate.gate import parse_fail_over
from nexctl.estimate.revisions import Changes, changes, split_arguments


@command(
    argument(
        "revisions",
        many=True,
        metavar="[BASE[...HEAD]] [PATH...]",
        suggest="files",
        help="Default: HEAD against the working tree, every prompt.",
    ),
    *PRICED_AS,
    option("--volume", value=parse_volume, metavar="N/day|month", help="Sends, for a month."),
    option(
        "--fail-over",
        value=parse_fail_over,
        metavar="X|P%",
        help="Exit 9 where the total grows more than X or P%.",
    ),
    markdown=True,
    examples=(
        "nexctl diff",
        "nexctl diff origin/main...HEAD prompts/ --fail-over 5%",
        "nexctl diff main --volume 500/day -o markdown",
    ),
)
def diff(app: App, revisions: tuple[str, ...], fail_over: Any, **options: Any) -> View:
    """What a change of prompts costs, by file and in total.

    Compares two git revisions, or one with the working tree. Ignore rules, price books inside the
    checkout (--on) and settings kept inside it are taken from BASE, and a change to them fails. A
    missing revision, an unreadable file and a model without a price fail too: the gate does not
    pass because it could not look.
    """
    spec, paths = split_arguments(revisions)
    with changes(spec, paths, policy=("**/.gitignore",)) as found:
        with _Trusted(app, found) as trusted:
            options["on"] = tuple(trusted.book(name) for name in options["on"])
            ask = ask_from(app, **options)
            answer = compare(ask, found.files, fail_over)
            touched = [policy.path for policy in found.policy_changes] + trusted.touched
        for note in (*found.notes, *answer.notes):
            app.note(note)
        base = f"{found.base.spec} ({found.base.oid[:12]})"
        head = f"{found.head.spec} ({found.head.oid[:12]})" if found.head else "the working tree"
    app.emit(
        View(
            lambda: as_json(answer, base, head, touched),
            text=lambda screen: write(answer, base, head, screen),
            table=lambda: sheet(answer),
            names=lambda: [row.path for row in answer.moved],
            lines=lambda: [answer.row_json(row) for row in answer.rows],
            markdown=lambda: in_markdown(answer, base, head, touched),
        )
    )
    if touched:
        raise CheckFailed(
            f"this change also touches what decides the comparison: {', '.join(touched)}",
            hint="the figures use the version of BASE; review and merge that change by itself",
            code="policy_changed",
            details={"policy_changes": touched},
        )
    if answer.gate and not answer.gate.passed:
        raise CheckFailed(
            f"the total grew over --fail-over: {answer.gate.words}",
            hint="shorten the prompts, or raise --fail-over where the growth is wanted",
            code="over_fail_over",
            details={"gate": answer.gate.as_json()},
        )
    return None  # type: ignore[return-value]


class _Trusted:
    """Books and settings that lie inside the checkout, as BASE has them.

    A pull request must not set the prices that it is measured by. Copies live in a private folder
    for as long as the comparison runs.
    """

    def __init__(self, app: App, found: Changes) -> None:
        self.app = app
        self.found = found
        self.touched: list[str] = []
        self._folder: Any = None

    def __enter__(self) -> _Trusted:
        from nexctl.settings import paths

        inside = self._inside(paths.config_dir(self.app.environ))
        if inside is not None:
            copies = [self._copy(name) for name in self.found.list_base([f"{inside}/**"])]
            self._note_changes(f"{inside}/**")
            folder = os.path.join(self._root(), inside)
            self.app.environ = {**self.app.environ, "NEXCTL_CONFIG_DIR": folder}
            self.app.detail(
                f"settings of {inside} are taken from BASE ({plural(len(copies), 'file')})"
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def book(self, name: str) -> str:
        """Return `name`, or the path of a copy where it is a file inside the checkout."""
        inside = self._inside(name) if name.endswith(".toml") else None
        if inside is None:
            return name
        self._note_changes(inside)
        return self._copy(inside)

    def _inside(self, path: str) -> str | None:
        real = os.path.realpath(path)
        root = os.path.realpath(self.found.root)
        return os.path.relpath(real, root) if real.startswith(root + os.sep) else None

    def _note_changes(self, pattern: str) -> None:
        self.touched += [row.path for row in self.found.changed_policy_files([pattern])]

    def _root(self) -> str:
        if self._folder is None:
            import tempfile

            self._folder = tempfile.TemporaryDirectory(prefix="nexctl-base-")
        return str(self._folder.name)

    def _copy(self, inside: str) -> str:
        data = self.found.read_base(inside)
        if data is None:
            raise UsageError(
                f"{inside}: not in {self.found.base.spec}",
                hint="a price book inside the checkout is taken from BASE; commit it there first",
                code="no_file",
            )
        target = os.path.join(self._root(), inside)
        os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
        with open(target, "wb") as stream:
            stream.write(data)
        return target


def as_json(answer: Comparison, base: str, head: str, touched: list[str]) -> dict[str, Any]:
    """Return the documented `data` of a comparison."""
    return {
        "gateway": answer.gateway,
        "price_book": answer.price_book,
        "currency": answer.unit,
        "models": list(answer.models),
        "base": base,
        "head": head,
        "rule": answer.rule,
        "files": [answer.row_json(row) for row in answer.rows],
        "total": answer.total_json(),
        "gate": answer.gate and answer.gate.as_json(),
        "policy_changes": touched,
    }


def write(answer: Comparison, base: str, head: str, screen: Screen) -> None:
    """Write the report: what moved, the total, a month of it, the gate."""
    screen.line((f"{answer.title} · {', '.join(answer.models) or 'no model'}", "bold"))
    screen.line(f"{base} against {head} · {answer.rule}")
    screen.blank()
    if answer.moved:
        screen.table(_table(answer))
        screen.blank()
    total = answer.total_json()
    unit = answer.unit
    still = len(answer.rows) - len(answer.moved)
    if not answer.moved:
        screen.line(f"no prompt changed; {plural(still, 'file')} compared")
    else:
        share = "" if total["delta_percent"] is None else f", {_percent(total['delta_percent'])}"
        screen.line(
            f"total   {money(total['before']['charge'], unit)} to"
            f" {money(total['after']['charge'], unit)}:"
            f" {change(total['delta_charge'], unit)}{share},"
            f" {total['delta_tokens']:+,} tokens"
            + (f"; {plural(still, 'file')} unchanged" if still else "")
        )
    if answer.per_month is not None:
        screen.line(
            f"a month {change(total['delta_charge_per_month'], unit)}"
            f" at {plural(answer.per_month, 'send')} of each"
        )
    if answer.gate:
        gate = answer.gate
        verdict = ("passed", "green") if gate.passed else ("failed", "bold red")
        screen.line("gate    ", verdict, f": {gate.words}")


def _table(answer: Comparison) -> Table:
    unit = answer.unit
    rows = []
    for row in answer.moved:
        data = answer.row_json(row)
        rows.append(
            [
                row.path,
                row.status,
                tokens(row.before and row.before.tokens),
                tokens(row.after and row.after.tokens),
                change(data["delta_charge"], unit),
                _percent(data["delta_percent"]),
            ]
        )
    return Table(
        [
            Column("path"),
            Column("status"),
            Column("before", "BEFORE", right=True),
            Column("after", "AFTER", right=True),
            Column("delta_charge", "CHARGE", right=True),
            Column("delta_percent", "%", right=True),
        ],
        rows,
    )


def _percent(text: str | None) -> str:
    if text is None:
        return "-"
    return f"{'' if text.startswith('-') else '+'}{text}%"


def sheet(answer: Comparison) -> Table:
    """Return the rows of `-o csv` and `-o tsv`: every compared file."""
    names = ("path", "status", "tokens_before", "tokens_after", "charge_before", "charge_after",
             "currency", "delta_tokens", "delta_charge", "delta_percent")  # fmt: skip
    return Table(names, [_cells(answer, row) for row in answer.rows])


def _cells(answer: Comparison, row: Row) -> list[Any]:
    data = answer.row_json(row)
    before, after = data["before"] or {}, data["after"] or {}
    return [
        row.path,
        row.status,
        before.get("tokens"),
        after.get("tokens"),
        before.get("charge"),
        after.get("charge"),
        answer.unit,
        data["delta_tokens"],
        data["delta_charge"],
        data["delta_percent"],
    ]


def in_markdown(answer: Comparison, base: str, head: str, touched: list[str]) -> str:
    """Return the text of a pull-request comment; nothing at all where nothing moved."""
    from nexctl.safety.text import markdown as safe

    if not answer.moved and not touched:
        return ""
    total = answer.total_json()
    unit = answer.unit
    verdict = "" if answer.gate is None else (" ✅" if answer.gate.passed else " ❌")
    share = "" if total["delta_percent"] is None else f" ({_percent(total['delta_percent'])})"
    lines = [
        f"### Prompt cost: {safe(change(total['delta_charge'], unit))}{share}{verdict}",
        "",
        f"{safe(answer.title)}, {safe(', '.join(answer.models))}; {safe(answer.rule)};"
        f" {safe(base)} against {safe(head)}.",
        "",
        "| file | | tokens | charge | |",
        "|---|---|--:|--:|--:|",
    ]
    for row in answer.moved:
        data = answer.row_json(row)
        before, after = (tokens(side and side.tokens) for side in (row.before, row.after))
        lines.append(
            f"| {safe(row.path)} | {row.status} | {before} → {after}"
            f" | {safe(change(data['delta_charge'], unit))} | {_percent(data['delta_percent'])} |"
        )
    if answer.per_month is not None:
        monthly = change(total["delta_charge_per_month"], unit)
        lines += ["", f"A month at {answer.per_month:,} sends of each: **{safe(monthly)}**"]
    if answer.gate:
        word = "passed" if answer.gate.passed else "**failed**"
        lines += ["", f"Gate {word}: {safe(answer.gate.words)}"]
    if touched:
        lines += ["", f"⚠️ Also changes {safe(', '.join(touched))}: figures use the base's version."]
    return "\n".join(lines) + "\n"
