"""The pages of `nexctl help TOPIC`: what all commands share."""

from __future__ import annotations

OUTPUT = """\
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
  formula begin with a quote character. Times are RFC 3339 in UTC.

  -q leaves notes and progress out; where a secret is made, -q prints it alone.
  -v says more on stderr, --debug adds a traceback where something fails.
  Nothing is ever put through a pager.

  NEXCTL_OUTPUT or the setting 'output' chooses a format for every command.
  Errors are two lines on stderr, or with -o json
  {"schema": 1, "error": {"code", "message", "hint", "exit"}}.

  Colour: --color/--no-color, then NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE,
  TERM=dumb, then the setting 'color', then whether that stream is a terminal.

  Bars and gauges are drawn on a terminal only, beside the figures they show.
  Where a terminal is too narrow for a table its columns give way, and the line
  below names them; numbers and ids are never cut. In the C locale (LC_ALL,
  LC_CTYPE or LANG is C) everything is ASCII. NEXCTL_PLAIN=1 or the setting
  'plain' is for who listens: no pictures, each row of a table as one sentence.
"""

EXIT_CODES = """\
Exit codes

    0  done, an empty result too
    1  failed for another reason: full disk, a capability that the gateway
       lacks, a secret that cannot be shown again
    2  usage: bad option or value, missing or malformed file, unknown model,
       nothing that could be priced, a request over the plan's size
    3  an id that the gateway does not know
    4  not logged in, key refused, not permitted
    5  the gateway refused for money: balance, a budget
    6  rate limited, try later
    7  network, time-out, the gateway failed
    8  still pending; also --wait out of time, an order under review
    9  a check said no: --max-cost, --fail-over, audit findings, partial or
       failed batch, runway too short, admin reconcile
   10  confirmation needed and nobody to ask: pass --yes
   78  bad configuration: file, profile, price book of yours
  130  interrupted
  141  the reader closed the pipe

  'nexctl doctor' ends with 78, 4 or 7 for what stands in the way. With -o json
  an error also has a code of its own, which says more than the number.
"""

ENVIRONMENT: tuple[tuple[tuple[str, ...], str], ...] = (
    (("NEXCTL_PROFILE",), "profile to use"),
    (("NEXCTL_BASE_URL",), "with NEXCTL_DRIVER: a profile without a file"),
    (("NEXCTL_DRIVER",), "kind of gateway at that address: nexctl, openai"),
    (("NEXCTL_BOOK", "NEXCTL_PLAN", "NEXCTL_MODEL"), "price book, plan and model of that profile"),
    (("NEXCTL_API_KEY",), "key for calls; never for a profile chosen with -p"),
    (("NEXCTL_OPERATOR_KEY",), "key for operating the gateway"),
    (("NEXCTL_ORG",), "organisation to act for, by id or slug"),
    (("NEXCTL_OUTPUT",), "output format"),
    (("NEXCTL_PLAIN",), "1: no pictures, tables as sentences"),
    (("NEXCTL_TIMEOUT",), "longest wait in seconds"),
    (("NEXCTL_NO_INPUT",), "never ask anything"),
    (("NEXCTL_KEYRING",), "0 leaves the system's key store alone"),
    (("NEXCTL_CONFIG_DIR",), "folder for configuration, state and cache"),
    (("NEXCTL_DEPRECATION_ERRORS",), "1: what is going away is an error (exit 2)"),
    (
        ("NEXCTL_MAIL", "NEXCTL_MAIL_FROM", "NEXCTL_MAIL_USER", "NEXCTL_MAIL_PASSWORD"),
        "where alerts are mailed: smtp://, smtps://, file:",
    ),
    (("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "TERM"), "colour; TERM=dumb is none"),
    (("COLUMNS",), "width of the terminal"),
    (("LC_ALL", "LC_CTYPE", "LANG"), "C: ASCII only"),
    (("CI",), "nothing is asked"),
    (("VISUAL", "EDITOR"), "editor of 'nexctl config edit'"),
    (("SHELL",), "shell of 'nexctl completion install'"),
    (("SSL_CERT_FILE", "SSL_CERT_DIR"), "certificates to trust instead of certifi's"),
    (("HTTPS_PROXY", "NO_PROXY"), "proxy, never used for this machine"),
    (
        ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"),
        "where nexctl's folders and completions are",
    ),
)


def _environment() -> str:
    lines = ["Environment", ""]
    for names, text in ENVIRONMENT:
        joined = ", ".join(names)
        if len(joined) <= 25:
            lines.append(f"  {joined:<27}{text}")
            continue
        row = ""
        for name in names:
            if row and len(row) + len(name) > 74:
                lines.append(f"  {row.rstrip()}")
                row = ""
            row += f"{name}, " if name != names[-1] else name
        lines += [f"  {row}", f"  {'':<27}{text}"]
    return "\n".join(
        [
            *lines,
            "",
            "  An option stands over a variable, a variable over the configuration file.",
            "  An empty variable counts as unset. A key in a variable goes only to the",
            "  address of the profile in force, and to no other.",
            "",
        ]
    )


PROFILES = """\
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

  Drivers: nexctl (a gateway that 'nexctl gateway serve' serves), openai (any
  OpenAI-compatible one: models, chat, batches), embedded (inside nexctl; made
  by 'nexctl gateway init NAME', and 'local' on its first use).

  Each profile has two keys: one for calls, one for operating. 'nexctl auth
  status' tells where each came from; 'nexctl doctor' tries all of it.
  'nexctl profile list' shows the profiles. Looking at prices needs none and
  creates nothing.
"""

MONEY = """\
Money

  Amounts are exact decimals from end to end, rounded once per request, half to
  even, to 0.000000001 of the currency or to the unit that a price book states.
  In JSON they are text. The currency or credit unit stands beside each amount.

  Unknown is never zero: a price that a gateway does not publish is null in
  JSON, empty in a sheet, '-' on a terminal, and sorts last.

  Charge is what you pay the gateway; cost is what its operator pays. Markup is
  on cost, margin on price: both are printed. Every estimate names the gateway,
  the date of its price book and the model. Amounts that you type are plain
  decimals: 12 or 0.0375; a budget has its window: 50/month.

  Balance is what was bought and given; held is what running requests may still
  take; spendable is what the tightest of wallet, budgets and key leaves now.

  A gate (--max-cost, --fail-over) compares the expected charge where it is
  known, else the most that the request allows, else the input only, and says
  which. Orders, revocations and batches ask before they act; --dry-run shows
  what would be sent. An order never pays by itself.
"""

TOPICS = {
    "output": OUTPUT,
    "exit-codes": EXIT_CODES,
    "environment": _environment(),
    "profiles": PROFILES,
    "money": MONEY,
}
