"""Alerts by e-mail: into a file, or to an SMTP server, as the gateway's environment says.

`NEXCTL_MAIL` is `file:PATH` (one message after the other, as mail readers know an mbox),
`smtp://HOST[:PORT]` (STARTTLS where the server has it; a password only over TLS) or
`smtps://HOST[:PORT]`. `NEXCTL_MAIL_FROM` is the sender, `NEXCTL_MAIL_USER` and
`NEXCTL_MAIL_PASSWORD` log in. Without `NEXCTL_MAIL` an e-mail waits and is tried again later.
"""

from __future__ import annotations

import os
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nexctl.safety.text import clean
from nexctl.server.events.sending import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nexctl.server.house import House
    from nexctl.server.ledger.events import Event

VARIABLE = "NEXCTL_MAIL"
SENDER = "nexctl@localhost"
SECONDS = 20
_PORTS = {"smtp": 25, "smtps": 465}


def send(house: House, address: str, event: Event, id: str) -> Outcome:
    """One e-mail about one event."""
    environ = house.options.environ
    where = environ.get(VARIABLE)
    if not where:
        return Outcome(False, None, f"{VARIABLE} is not set")
    message = message_of(house.title, environ.get(f"{VARIABLE}_FROM", SENDER), address, event, id)
    try:
        if where.startswith("file:"):
            _into_file(where.removeprefix("file:"), message)
        else:
            _over_smtp(where, environ, message)
    except (OSError, ValueError) as error:
        return Outcome(False, None, type(error).__name__)
    return Outcome(True, None, None)


def message_of(
    gateway: str, sender: str, address: str, event: Event, id: str = "event"
) -> EmailMessage:
    """The words of an alert, from its data alone."""
    import datetime

    data = event.data
    message = EmailMessage()
    message["From"], message["To"] = clean(sender), clean(address)
    message["Subject"] = clean(f"[{gateway}] {_headline(event)}")
    message["Date"] = format_datetime(
        datetime.datetime.fromtimestamp(event.at // 1_000_000, datetime.UTC)
    )
    message["Message-ID"] = f"<{id}@{gateway}.nexctl>"
    lines = [clean(_headline(event)) + ".", ""]
    lines += [
        f"{name.replace('_', ' ')}: {clean(str(value))}"
        for name, value in data.items()
        if value is not None
    ]
    message.set_content("\n".join(lines) + "\n")
    return message


def _headline(event: Event) -> str:
    data = event.data
    if event.kind == "budget.alert":
        return (
            f"{data.get('percent')} % of budget {data.get('name')} is spent: {data.get('spent')} "
            f"of {data.get('amount')} {data.get('unit')}"
        )
    if event.kind == "balance.low":
        return (
            f"the balance is {data.get('balance')} {data.get('currency')}, "
            f"below {data.get('below')}"
        )
    return event.kind


def _into_file(path: str, message: EmailMessage) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    raw = message.as_bytes().replace(b"\nFrom ", b"\n>From ")
    with os.fdopen(os.open(path, flags, 0o600), "ab") as stream:
        stream.write(b"From nexctl " + str(message["Date"]).encode() + b"\n" + raw + b"\n\n")
        stream.flush()
        os.fsync(stream.fileno())


def _over_smtp(where: str, environ: Mapping[str, str], message: EmailMessage) -> None:
    import smtplib
    import ssl

    parts = urlsplit(where)
    if parts.scheme not in _PORTS or not parts.hostname or parts.password is not None:
        raise ValueError(f"{VARIABLE} is not file:PATH, smtp://HOST or smtps://HOST")
    port = parts.port or _PORTS[parts.scheme]
    tls = ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(parts.hostname, port, timeout=SECONDS, context=tls)
    else:
        server = smtplib.SMTP(parts.hostname, port, timeout=SECONDS)
    with server:
        server.ehlo()
        safe = parts.scheme == "smtps"
        if not safe and server.has_extn("starttls"):
            server.starttls(context=tls)
            safe = True
        user, password = environ.get(f"{VARIABLE}_USER"), environ.get(f"{VARIABLE}_PASSWORD")
        if user and password:
            if not safe:
                raise ValueError("the server offers no TLS to log in over")
            server.login(user, password)
        server.send_message(message)
