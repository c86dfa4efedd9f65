"""The command tree: which file holds which command, and the line of help that lists it.

Nothing here imports a command; a group's or a command's file is imported when it is called.
"""

from __future__ import annotations

from typing import Any


class Entry:
    """A name at the top of the tree.

    target  "module:SPEC" of a command, or "module:COMMANDS" (a tuple of them) of a group
    """

    __slots__ = ("aliases", "group", "help", "hidden", "name", "target")

    def __init__(
        self,
        name: str,
        target: str,
        help: str,
        *,
        group: bool = False,
        aliases: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.target = target
        self.help = help
        self.group = group
        self.aliases = aliases
        self.hidden = False

    def load(self) -> Any:
        """Import the file and return the declared command or the tuple of commands."""
        module, _, attribute = self.target.partition(":")
        __import__(module)
        import sys

        return getattr(sys.modules[module], attribute)

    def build(self) -> Any:
        """The command or group itself."""
        loaded = self.load()
        if not self.group:
            return loaded.build()
        from nexctl.cli.leaf import Group

        return Group(self.name, loaded, help=self.help)


ROOT_HELP = """Price, buy, meter and audit LLM tokens through prepaid gateways.

Every command has -h/--help. 'nexctl help TOPIC' explains output, exit-codes, environment,
profiles and money.
"""

TREE = (
    Entry(
        "estimate",
        "nexctl.cli.estimate:estimate",
        "What prompts would cost, before they are sent.",
        aliases=("estimate-cost",),
    ),
    Entry("diff", "nexctl.cli.diff:diff", "What a change of prompts costs."),
    Entry("tokenize", "nexctl.cli.tokenize:tokenize", "Count tokens, and show them."),
    Entry(
        "prices",
        "nexctl.cli.prices:COMMANDS",
        "Price books: list, show, compare, history.",
        group=True,
        aliases=("price",),
    ),
    Entry("models", "nexctl.cli.models:COMMANDS", "What the gateway serves.", group=True),
    Entry("chat", "nexctl.cli.chat:chat", "Send one prompt; what it cost beside it."),
    Entry("keys", "nexctl.cli.keys:COMMANDS", "API keys: make, limit, rotate, revoke.", group=True),
    Entry(
        "provider-keys",
        "nexctl.cli.provider_keys:COMMANDS",
        "Your own keys at the providers.",
        group=True,
    ),
    Entry(
        "wallet", "nexctl.cli.wallet:COMMANDS", "Balance, what can be spent, top-ups.", group=True
    ),
    Entry("recharge", "nexctl.cli.wallet:recharge", "Order credits: the same as wallet topup."),
    Entry(
        "subscription", "nexctl.cli.subscription:SUBSCRIPTION", "The plan and its fee.", group=True
    ),
    Entry("billing-profile", "nexctl.cli.subscription:PROFILE", "Who is invoiced.", group=True),
    Entry("invoices", "nexctl.cli.papers:INVOICES", "Invoices and credit notes.", group=True),
    Entry("statement", "nexctl.cli.papers:statement", "A month of the wallet, added up."),
    Entry(
        "usage",
        "nexctl.cli.usage:COMMANDS",
        "What was billed: export, sum up, list, follow.",
        group=True,
    ),
    Entry(
        "batch",
        "nexctl.cli.batch:COMMANDS",
        "Batches: check, quote, send, follow, prove.",
        group=True,
    ),
    Entry("budgets", "nexctl.cli.budgets:COMMANDS", "Limits on what may be spent.", group=True),
    Entry("orgs", "nexctl.cli.orgs:ORGS", "Organisations: make, rules, pools.", group=True),
    Entry("projects", "nexctl.cli.orgs:PROJECTS", "Projects of an organisation.", group=True),
    Entry("members", "nexctl.cli.orgs:MEMBERS", "Members of an organisation.", group=True),
    Entry("alerts", "nexctl.cli.alerts:COMMANDS", "Who is told of thresholds.", group=True),
    Entry("webhooks", "nexctl.cli.webhooks:COMMANDS", "Who is told of events.", group=True),
    Entry("audit-log", "nexctl.cli.audit_log:COMMANDS", "Who did what.", group=True),
    Entry(
        "routes", "nexctl.cli.routes:COMMANDS", "Your rules for which model answers.", group=True
    ),
    Entry(
        "gateway",
        "nexctl.cli.gateway:COMMANDS",
        "The embedded gateway: make, serve, prove.",
        group=True,
    ),
    Entry("admin", "nexctl.cli.admin:COMMANDS", "Operate a gateway.", group=True),
    Entry("auth", "nexctl.cli.auth:COMMANDS", "Keys to a gateway: login, logout.", group=True),
    Entry(
        "config", "nexctl.cli.config:COMMANDS", "Settings: list, get, set, path, edit.", group=True
    ),
    Entry(
        "profile",
        "nexctl.cli.profile:COMMANDS",
        "Profiles: which gateway, which price book.",
        group=True,
    ),
    Entry(
        "completion",
        "nexctl.cli.completion:COMMANDS",
        "Scripts that complete nexctl in a shell.",
        group=True,
    ),
    Entry("doctor", "nexctl.cli.doctor:doctor", "Whether nexctl can work here."),
    Entry("help", "nexctl.cli.help:help_", "Help on a command or a topic."),
)


def root() -> Any:
    """The whole command tree, nothing below it imported."""
    from nexctl._version import __version__
    from nexctl.cli.leaf import Group

    group = Group("nexctl", TREE, help=ROOT_HELP)
    group.add_version(__version__)
    return group
