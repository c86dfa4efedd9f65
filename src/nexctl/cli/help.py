"""`nexctl help`: the help of a command, and pages on what all commands share."""

from __future__ import annotations

from nexctl.cli.base import App, Group, argument, command, near
from nexctl.cli.render import Table, View
from nexctl.errors import UsageError

TOPICS = {
    "output": """\
Output

  stdout carries the result and nothing else. Notes, progress, questions and
  errors go to stderr.

  -o table     what a terminal shows: a report, or a table
  -o json      one document {"schema": 1, "data": ...}; money is text, unknown
               is null, an empty list is []
  -o jsonl     one record a line, without the envelope
  -o csv       RFC 4180 with a header line
  -o tsv       the same columns, separated by tabs; tab, line end and backslash
               inside a value are written \\t, \\n, \\r and \\\\
  -o name      ids only, one a line
  -o markdown  where a command offers it

  Without -o a report prints the same text everywhere; a list is a table on a
  terminal and TSV without a header in a pipe, every value in full. Field names
  are stable; texts for people are not. Cells that a spreadsheet would run as a
  formula begin with a quote character.

  NEXCTL_OUTPUT or the setting 'output' chooses a format for every command.
  Errors are two lines on stderr, or with -o json
  {"schema": 1, "error": {"code", "message", "hint", "exit"}}.

  Colour: --color/--no-color, then NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE,
  TERM=dumb, then the setting 'color', then whether that stream is a terminal.
""",
    "exit-codes": """\
Exit codes

    0  done, an empty result too
    1  failed for another reason: full disk, a capability that the gateway lacks
    2  usage: bad option or value, missing or malformed file, unknown model,
       nothing that could be priced
    3  an id that the gateway does not know
    4  not logged in, key refused, not permitted
    5  the gateway refused for money: balance, a budget
    6  rate limited, try later
    7  network, time-out, the gateway failed
    8  still pending
    9  a check said no: --max-cost, --fail-over, findings, partial failure
   10  confirmation needed and nobody to ask
   78  bad configuration: file, profile, price book of yours
  130  interrupted
  141  the reader closed the pipe
""",
    "environment": """\
Environment

  NEXCTL_PROFILE       profile to use
  NEXCTL_BASE_URL      with NEXCTL_DRIVER: a profile without a file
  NEXCTL_DRIVER        kind of gateway at that address
  NEXCTL_BOOK, NEXCTL_PLAN, NEXCTL_MODEL
                       price book, plan and model of that profile
  NEXCTL_API_KEY       key for calls; never for a profile chosen with -p
  NEXCTL_OPERATOR_KEY  key for operating the gateway
  NEXCTL_MAIL          where a gateway sends alerts: file:PATH, smtp://HOST[:PORT] or smtps://
  NEXCTL_MAIL_FROM     their sender; NEXCTL_MAIL_USER and NEXCTL_MAIL_PASSWORD log in
  NEXCTL_OUTPUT        output format
  NEXCTL_TIMEOUT       longest wait in seconds
  NEXCTL_NO_INPUT      never ask anything
  NEXCTL_KEYRING       0 leaves the system's key store alone
  NEXCTL_CONFIG_DIR    folder for configuration, state and cache
  NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE, TERM=dumb
                       colour
  CI                   nothing is asked
  VISUAL, EDITOR       editor of 'nexctl config edit'
  XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_CACHE_HOME
                       where nexctl's folders are
""",
    "profiles": """\
Profiles

  A profile names a gateway: its driver and address, its price book, plan and
  default model. Keys are not part of it; they lie in the system's key store, or
  in a file that only you can read.

  Which one is in force:
    1. -p NAME
    2. NEXCTL_PROFILE
    3. NEXCTL_BASE_URL with NEXCTL_DRIVER
    4. the setting default_profile ('nexctl profile use NAME')
    5. local: the embedded gateway, price book nextoken, plan business

  'nexctl profile list' shows them. Looking at prices needs no profile and
  creates nothing.
""",
    "money": """\
Money

  Amounts are exact decimals from end to end, rounded once per request, half to
  even, to 0.000000001 of the currency or to the unit that a price book states.
  In JSON they are text. The currency or credit unit stands beside each amount.

  Unknown is never zero: a price that a gateway does not publish is null in JSON,
  empty in a sheet, '-' on a terminal, and sorts last.

  Charge is what you pay the gateway. Every estimate names the gateway, the date
  of its price book and the model. Amounts that you type are plain decimals: 12
  or 0.0375.
""",
}


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
