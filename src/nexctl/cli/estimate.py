"""`nexctl estimate`: what prompts would cost."""

from __future__ import annotations

from typing import Any

from nexctl.cli.base import App, Declared, View, argument, command, flag, option, whole
from nexctl.cli.estimate_report import sheet, write
from nexctl.errors import ConfigError, UsageError
from nexctl.estimate.ask import Ask, parse_cached, parse_volume
from nexctl.estimate.gate import parse_max_cost
from nexctl.estimate.quote import Quote, quote
from nexctl.estimate.sources import Source, find

ON = option(
    "--on",
    many=True,
    metavar="BOOK|FILE.toml",
    suggest="books files",
    help="Price book, repeatable; default: the profile's.",
)

PRICED_AS: tuple[Declared, ...] = (
    option("-m", "--model", many=True, suggest="models", help="Model to price as; repeatable."),
    ON,
    option("--output-tokens", value=whole(), metavar="N", help="Output tokens of each answer."),
    option("--tier", metavar="TIER", help="Billing tier of the book, by its id."),
    option("--plan", metavar="PLAN", help="Plan of the book, by its id."),
    flag("--byok", help="With your own provider key, where the book knows that."),
    flag("--chat", help="Count plain text as one user message, with its framing."),
    option(
        "--calibration",
        metavar="FILE",
        suggest="files",
        help="What billed usage taught of counts; off: none. Default: the profile's.",
    ),
)


def ask_from(
    app: App,
    *,
    model: tuple[str, ...],
    on: tuple[str, ...],
    output_tokens: int | None,
    tier: str | None,
    plan: str | None,
    byok: bool,
    chat: bool,
    calibration: str | None,
    **others: Any,
) -> Ask:
    """Fill an Ask from the shared options and, where they say nothing, from the profile."""
    profile = app.profile
    own = not on
    if calibration is None and own:
        calibration = profile.calibration
    return Ask(
        books=on or (book_of(app),),
        models=model,
        default_model=profile.model if own else None,
        books_folder=app.books_folder,
        output_tokens=output_tokens,
        tier=tier,
        plan=plan or (profile.plan if own else None),
        byok=byok,
        chat=chat,
        calibration=None if calibration == "off" else calibration,
        **others,
    )


def book_of(app: App) -> str:
    """Return the price book of the profile in force."""
    if app.profile.book is None:
        raise ConfigError(
            f"profile {app.profile.name} names no price book",
            hint=f"{app.how_to_name_book()}, or pass --on BOOK",
        )
    return app.profile.book


def sources_of(app: App, paths: tuple[str, ...]) -> tuple[Source, ...]:
    """Find what to read: the paths, else what is piped in; notes go to standard error."""
    if not paths and app.is_terminal("stdin"):
        raise UsageError(
            f"{app.command} has nothing to read",
            hint="name a file or a folder, or pipe text in",
            code="no_input",
        )
    found = find(paths or ("-",))
    for note in found.notes:
        app.note(note)
    return found.files


@command(
    argument("paths", many=True, metavar="[PATH...|-]", suggest="files", help="What to price."),
    *PRICED_AS,
    flag("--all-models", help="Every model of the book."),
    option("--cached", value=parse_cached, metavar="N|P%", help="Input read from a cache."),
    flag("--batch", help="Sort by the batch price, and gate on it."),
    option("--volume", value=parse_volume, metavar="N/day|month", help="Sends, for a month."),
    option("--max-cost", value=parse_max_cost, metavar="X", help="Exit 9 where it costs more."),
    examples=(
        "nexctl estimate prompt.md",
        "nexctl estimate prompts/ -m gpt-4o -m nex-pro --output-tokens 400",
        "nexctl estimate requests.jsonl --on nextoken --on openai --max-cost 0.50",
        "cat prompt.md | nexctl estimate - --cached 80% --volume 500/day",
    ),
)
def estimate(app: App, paths: tuple[str, ...], **options: Any) -> View:
    """What prompts would cost before they are sent.

    Reads text, Markdown, chat requests (.json), JSONL of requests, batch files, folders, globs and
    standard input (-). Counts offline and says how sure the count is. The output is a range: none,
    what you expect (--output-tokens), and the most that the request or the model allows.
    """
    ask = ask_from(app, **options)
    sources = sources_of(app, paths)
    with app.progress("counted", total=_bytes_of(sources), unit="bytes") as step:
        answer = quote(ask, sources, stdin=app.stdin_buffer, progress=step)
    for note in answer.notes:
        app.note(note)
    app.emit(
        View(
            lambda: as_json(answer),
            text=lambda screen: write(answer, ask, screen),
            table=lambda: sheet(answer),
            names=lambda: [row["model"] for row in answer.rows],
            lines=lambda: answer.rows,
        )
    )
    answer.check()
    return None  # type: ignore[return-value]


def as_json(answer: Quote) -> dict[str, Any]:
    """Return the documented `data` of an estimate."""
    return {
        "estimates": answer.rows,
        "files": answer.files,
        "gate": answer.gate and answer.gate.as_json(),
    }


def _bytes_of(sources: tuple[Source, ...]) -> int | None:
    sizes = [source.size for source in sources]
    return None if None in sizes else sum(size or 0 for size in sizes)
