'''How a command is declared: parameters as data, one function, one result.

A command file reads like its help text::

    from nexctl.cli.base import App, argument, command, flag, option, whole
    from nexctl.cli.render import Column, Table, View

    @command(
        argument("paths", many=True, metavar="[PATH...|-]", suggest="files", help="Prompts."),
        option("-m", "--model", many=True, suggest="models", help="Model to price; repeatable."),
        option("--output-tokens", value=whole(), metavar="N", help="Expected output tokens."),
        flag("--batch", help="Sort and gate by the batch price."),
        examples=("nexctl estimate prompt.md",),
    )
    def estimate(app, paths, model, output_tokens, batch):
        """What the prompts would cost.

        A paragraph or two of explanation.
        """
        quote = work(Options(...))                       # frozen result; nothing printed
        return View(
            lambda: quote.data(),                        # -o json
            text=lambda screen: write(quote, screen),    # a report; leave out for a list
            table=lambda: Table(("gateway", "model", Column("charge", right=True)), rows(quote)),
            names=lambda: (row.model for row in quote.rows),
        )

- The function's parameters are named like the options (`--output-tokens` -> `output_tokens`).
  Values: text or None; `many` gives a tuple; a flag gives a bool; `value=` converts and checks.
- The first parameter is the `App` (`nexctl.cli.context`): settings, clock, notes, prompts. The
  general options (-p, -o, -q, -v, --debug, --no-input, --timeout, --color) are added to every
  command and found there: `app.profile`, `app.note(...)`, `app.quiet`, `app.timeout`.
  `changes=True` adds -y/--yes and -n/--dry-run: `app.confirm(...)`, `app.dry_run`. `acts=True` adds
  --org, the organisation that the command acts for: `connect.gateway` sends it.
- What is returned is emitted. A command that must print and then fail (a gate) calls
  `app.emit(view)` itself and raises `CheckFailed` after it.
- Errors are `nexctl.errors.NexctlError`s; a command catches nothing to print it.
- A group's file lists its commands in `COMMANDS`; `nexctl.cli.tree` names the file and one line of
  help. Options are built only for the command that runs.
'''

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from nexctl.cli.context import App
from nexctl.cli.render import FORMATS, View
from nexctl.errors import UsageError

if TYPE_CHECKING:
    from nexctl.cli.leaf import Leaf

__all__ = [
    "App",
    "View",
    "argument",
    "command",
    "flag",
    "into",
    "option",
    "seconds",
    "variable",
    "whole",
    "written",
]

HELP_WIDTH = 80


class Declared:
    """One declared parameter. `choices` are enforced; `suggest` only feeds completion.

    suggest  what completion offers: "files", "folders", "profiles", "books", "models", "keys",
             "batches", "settings", "topics"; several in one string, with blanks between
    """

    __slots__ = (
        "choices",
        "decls",
        "default",
        "help",
        "hidden",
        "kind",
        "many",
        "metavar",
        "required",
        "suggest",
        "value",
    )

    def __init__(
        self,
        kind: str,
        decls: Sequence[str],
        *,
        help: str,
        metavar: str | None = None,
        many: bool = False,
        required: bool = False,
        default: Any = None,
        choices: Sequence[str] = (),
        suggest: str = "",
        value: Callable[[str], Any] | None = None,
        hidden: bool = False,
    ) -> None:
        self.kind = kind
        self.decls = tuple(decls)
        self.help = help
        self.metavar = metavar
        self.many = many
        self.required = required
        self.default = default
        self.choices = tuple(choices)
        self.suggest = suggest
        self.value = value
        self.hidden = hidden

    @property
    def name(self) -> str:
        """The Python name: of the longest spelling, without dashes."""
        spelling = max((d.split("/")[0].strip() for d in self.decls), key=len)
        return spelling.lstrip("-").replace("-", "_")

    @property
    def spelled(self) -> str:
        """How errors name it: an option by its longest spelling, an argument as help shows it."""
        if self.kind == "argument":
            return self.metavar or self.name.upper()
        return max(self.decls, key=len)


def option(
    *decls: str,
    help: str,
    metavar: str | None = None,
    many: bool = False,
    required: bool = False,
    default: Any = None,
    choices: Sequence[str] = (),
    suggest: str = "",
    value: Callable[[str], Any] | None = None,
    hidden: bool = False,
) -> Declared:
    """An option with a value, like `option("-m", "--model", many=True, help="...")`."""
    return Declared(
        "option",
        decls,
        help=help,
        metavar=metavar,
        many=many,
        required=required,
        default=default,
        choices=choices,
        suggest=suggest,
        value=value,
        hidden=hidden,
    )


def into(name: str, *, help: str, metavar: str = "FILE", required: bool = False) -> Declared:
    """An option that names a file to write."""
    return option(
        name, metavar=metavar, help=help, required=required, suggest="files", value=written
    )


def flag(*decls: str, help: str, default: bool | None = False, hidden: bool = False) -> Declared:
    """An option without a value; `--color/--no-color` declares both ways (None = not given)."""
    return Declared("flag", decls, help=help, default=default, hidden=hidden)


def argument(
    name: str,
    *,
    help: str,
    metavar: str | None = None,
    many: bool = False,
    required: bool = False,
    choices: Sequence[str] = (),
    suggest: str = "",
    value: Callable[[str], Any] | None = None,
) -> Declared:
    """A positional argument; `many` takes all that are left."""
    return Declared(
        "argument",
        (name,),
        help=help,
        metavar=metavar,
        many=many,
        required=required,
        choices=choices,
        suggest=suggest,
        value=value,
    )


def whole(minimum: int = 0, maximum: int = 10**15) -> Callable[[str], int]:
    """A checker for whole numbers in ASCII digits between the bounds, both allowed."""

    def check(text: str) -> int:
        digits = text[1:] if text.startswith("-") else text
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
            raise ValueError(f"{text!r} is not a whole number")
        number = int(text)
        if number < minimum:
            raise ValueError(f"{text} is less than {minimum}")
        if number > maximum:
            raise ValueError(f"{text} is more than {maximum}")
        return number

    return check


def seconds(text: str) -> float:
    """A checker for a time-out: seconds like 30 or 2.5, above zero and at most a day."""
    whole_part, _, fraction = text.partition(".")
    plain = (whole_part + fraction).isascii() and (whole_part + fraction).isdigit()
    if not (plain and whole_part and len(text) <= 12 and 0 < float(text) <= 86_400):
        raise ValueError(f"{text!r} is not a number of seconds between 0 and 86400")
    return float(text)


def variable(text: str) -> str:
    """A checker for the name of a variable that holds a secret.

    The text is never shown: whoever mistakes what is asked for types the secret itself.
    """
    from nexctl.safety.redaction import redact

    named = text.isascii() and text.isidentifier() and len(text) <= 128
    if not named or redact(text) != text:
        raise UsageError(
            "this is no name of an environment variable",
            hint="name the variable that holds the secret, such as EXAMPLE_KEY; never the secret",
        )
    return text


def written(text: str) -> str:
    """A checker for a file to write: - was meant as standard output, and a file was called so."""
    if text in ("", "-"):
        raise UsageError("a file is written here", hint="name one; ./- is one that is called -")
    return text


class Spec:
    """A declared command: what the decorator leaves in place of the function."""

    __slots__ = (
        *("acts", "aliases", "changes", "examples", "hidden", "markdown", "name", "params", "run"),
    )

    def __init__(
        self,
        run: Callable[..., View | None],
        params: Sequence[Declared],
        *,
        name: str,
        examples: Sequence[str],
        changes: bool,
        markdown: bool,
        hidden: bool,
        acts: bool,
    ) -> None:
        self.acts = acts
        self.run = run
        self.params = tuple(params)
        self.name = name
        self.examples = tuple(examples)
        self.changes = changes
        self.markdown = markdown
        self.hidden = hidden
        self.aliases: tuple[str, ...] = ()

    @property
    def help(self) -> str:
        """The first line of the function's docstring."""
        return (self.run.__doc__ or "").strip().partition("\n")[0]

    def build(self) -> Leaf:
        """The command itself, with its options made."""
        from nexctl.cli.leaf import Leaf

        return Leaf(self)


def command(
    *params: Declared,
    name: str | None = None,
    examples: Sequence[str] = (),
    changes: bool = False,
    markdown: bool = False,
    hidden: bool = False,
    acts: bool = False,
) -> Callable[[Callable[..., View | None]], Spec]:
    """Declare a command; its name is the function's unless given, its help the docstring.

    changes   it changes something: adds -y/--yes and -n/--dry-run
    markdown  it offers -o markdown
    acts      it may act for an organisation: adds --org
    """

    def declare(run: Callable[..., View | None]) -> Spec:
        return Spec(
            run,
            params,
            name=name or run.__name__.rstrip("_").replace("_", "-"),
            examples=examples,
            changes=changes,
            markdown=markdown,
            hidden=hidden,
            acts=acts,
        )

    return declare


def general_options(*, changes: bool, markdown: bool, acts: bool = False) -> tuple[Declared, ...]:
    """The options that every command has after its own."""
    formats = (*FORMATS, "markdown") if markdown else FORMATS
    shared: tuple[Declared, ...] = (
        option("-p", "--profile", metavar="NAME", suggest="profiles", help="Profile to use."),
        option(
            "-o",
            "--output",
            metavar="FORMAT",
            choices=formats,
            help=f"Output format: {', '.join(formats)}.",
        ),
        flag("-q", "--quiet", help="No notes and no progress."),
        flag("-v", "--verbose", help="Say more on standard error."),
        flag("--debug", help="Show a traceback when something fails."),
        flag("--no-input", help="Never ask anything."),
        option("--timeout", metavar="SECONDS", value=seconds, help="Longest wait for a gateway."),
        flag("--color/--no-color", default=None, help="Colour always or never."),
    )
    if acts:
        acting = option("--org", metavar="ORG", help="Act for this organisation (id or slug).")
        shared = (acting, *shared)
    if not changes:
        return shared
    return (
        flag("-y", "--yes", help="Do it without asking."),
        flag("-n", "--dry-run", help="Show what would be done and do nothing."),
        *shared,
    )
