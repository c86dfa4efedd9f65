"""`nexctl help`: the help of a command, and pages on what all commands share."""

from __future__ import annotations

from nexctl.cli.base import App, argument, command
from nexctl.cli.leaf import Group, near
from nexctl.cli.render import Table, View
from nexctl.cli.topics import TOPICS
from nexctl.errors import UsageError


@command(
    argument(
        "words",
        many=True,
        metavar="[COMMAND...|TOPIC]",
        suggest="topics",
        help="A command, or one of the topics: output, exit-codes, environment, profiles, money.",
    ),
    name="help",
    examples=("nexctl help estimate", "nexctl help profile add", "nexctl help exit-codes"),
)
def help_(app: App, words: tuple[str, ...]) -> View:
    """Help on a command or a topic."""
    app.needs_config = False
    text = TOPICS[words[0]] if len(words) == 1 and words[0] in TOPICS else _command_help(app, words)
    return View(
        {"subject": " ".join(words) or "nexctl", "text": text},
        text=lambda screen: screen.verbatim(text),
        table=Table(("subject", "text"), [(" ".join(words), text)]),
        names=[*TOPICS],
    )


def _command_help(app: App, words: tuple[str, ...]) -> str:
    """The same text that `nexctl WORDS --help` prints."""
    from nexctl.cli.tree import root

    node = root()
    context = node.context_class(node, info_name="nexctl", obj=app, terminal_width=80)
    for word in words:
        member = node.member(word) if isinstance(node, Group) else None
        if member is None:
            known = [m.name for m in getattr(node, "members", {}).values() if not m.hidden]
            raise UsageError(
                f"no help on: {' '.join(words)}",
                hint=near(word, [*known, *TOPICS]) or f"topics: {', '.join(TOPICS)}",
                code="unknown_topic",
            )
        node = member.build()
        context = node.context_class(node, info_name=member.name, parent=context)
    return str(node.get_help(context)) + "\n"
