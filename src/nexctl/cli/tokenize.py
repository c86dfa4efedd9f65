"""`nexctl tokenize`: how many tokens, and which."""

from __future__ import annotations

from typing import Any

from nexctl.cli.base import App, View, argument, command, flag, option
from nexctl.cli.estimate import ON, book_of, sources_of
from nexctl.cli.estimate_report import how_sure
from nexctl.cli.figures import tokens
from nexctl.cli.render import Column, Screen, Table
from nexctl.errors import UsageError
from nexctl.estimate.tokenized import Tokenized
from nexctl.estimate.tokenized import tokenize as count
from nexctl.pricing import books
from nexctl.tokens import registry


@command(
    argument("paths", many=True, metavar="[PATH...|-]", suggest="files", help="What to count."),
    option("-m", "--model", suggest="models", help="Model whose tokenizer counts."),
    option("--tokenizer", metavar="NAME", help="Tokenizer by its own name, like o200k_base."),
    ON,
    flag("--ids", help="List the token ids."),
    flag("--pieces", help="List the text of each token."),
    examples=(
        "nexctl tokenize prompt.md",
        "nexctl tokenize prompt.md -m gpt-4o --pieces",
        "git diff | nexctl tokenize - --tokenizer o200k_base -o json",
    ),
)
def tokenize(
    app: App,
    paths: tuple[str, ...],
    model: str | None,
    tokenizer: str | None,
    on: tuple[str, ...],
    ids: bool,
    pieces: bool,
) -> View:
    """Count the tokens of files as plain text, whatever their suffix.

    Counts offline. Text that spells a special token, like <|endoftext|>, counts as text.
    """
    choice = chosen(app, model, tokenizer, on)
    sources = sources_of(app, paths)
    for note in choice.notes:
        app.note(note)
    rows = count(sources, choice, stdin=app.stdin_buffer, ids=ids, pieces=pieces)
    return View(
        lambda: {"files": [as_json(row, choice) for row in rows]},
        text=lambda screen: write(rows, choice, screen),
        table=lambda: sheet(rows, choice),
        names=lambda: [row.path for row in rows],
        lines=lambda: [as_json(row, choice) for row in rows],
    )


def chosen(
    app: App, model: str | None, tokenizer: str | None, on: tuple[str, ...]
) -> registry.Choice:
    """Return what counts: a tokenizer by name, else the model's (the book's word for it first)."""
    if tokenizer:
        if model:
            raise UsageError("-m and --tokenizer say the same thing twice", hint="give one of them")
        return registry.tokenizer(tokenizer)
    if len(on) > 1:
        raise UsageError("tokenize takes one --on", hint="count once for each book")
    book = books.load(on[0] if on else book_of(app), folder=app.books_folder)
    name = model or (None if on else app.profile.model) or book.default_model
    if name is None:
        raise UsageError(f"{book.id} has no default model", hint="choose one with -m")
    try:
        found = book.find(name)
    except UsageError:
        if on or not model:
            raise
        # Counting needs no price: a model that this book lacks may still have a known tokenizer.
        return registry.choose(name)
    # As an estimate does: a class row prices several models, the one that was asked for is counted.
    counted = name if found.kind == "class" else found.id
    return registry.choose(counted, provider=found.provider, declared=found.tokenizer)


def as_json(row: Tokenized, choice: registry.Choice) -> dict[str, Any]:
    """Return the documented fields of one file; ids and pieces only where they were asked for."""
    data: dict[str, Any] = {
        "path": row.path,
        "bytes": row.size,
        "characters": row.characters,
        "tokens": row.tokens,
        "exact": choice.exact,
        "method": choice.method,
        "tokenizer": choice.tokenizer,
    }
    if row.ids is not None:
        data["ids"] = row.ids
    if row.pieces is not None:
        data["pieces"] = [piece_text(piece) for piece in row.pieces]
    return data


def piece_text(piece: bytes) -> str:
    r"""Return a token's bytes as text; what is no UTF-8 by itself shows as `\xNN`."""
    return piece.decode("utf-8", "backslashreplace")


def write(rows: list[Tokenized], choice: registry.Choice, screen: Screen) -> None:
    """Write counts, and beneath them ids and pieces."""
    count = {"method": choice.method, "tokenizer": choice.tokenizer, "error": choice.error}
    screen.line((how_sure(count), "bold"))
    screen.blank()
    screen.table(
        Table(
            [
                Column("path"),
                Column("bytes", right=True, show=tokens),
                Column("characters", right=True, show=tokens),
                Column("tokens", right=True, show=tokens),
            ],
            [[row.path, row.size, row.characters, row.tokens] for row in rows],
        )
    )
    for row in rows:
        if row.ids is None and row.pieces is None:
            continue
        screen.blank()
        if row.pieces is None:
            screen.line(" ".join(str(number) for number in row.ids or ()))
            continue
        numbers: list[int | None] = [*row.ids] if row.ids else [None] * len(row.pieces)
        screen.table(
            Table(
                [Column("id", right=True), Column("piece", show=repr)],
                [[n, piece_text(p)] for n, p in zip(numbers, row.pieces, strict=True)],
            )
        )


def sheet(rows: list[Tokenized], choice: registry.Choice) -> Table:
    """Return the rows of `-o csv` and `-o tsv`."""
    names = ("path", "bytes", "characters", "tokens", "exact", "method", "tokenizer")
    return Table(names, [[as_json(row, choice)[name] for name in names] for row in rows])
