"""`nexctl chat`: one prompt, its answer, and the quote beside the real charge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexctl.cli import connect
from nexctl.cli.base import App, argument, command, flag, option, whole
from nexctl.cli.changes import Planned, dry
from nexctl.cli.figures import money, tokens
from nexctl.cli.render import Table, View
from nexctl.errors import NexctlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nexctl.account.chatting import Answered
    from nexctl.gateways.port import Gateway
    from nexctl.wire.chat import ChatRequest

LARGEST = 16 * 1024 * 1024


@command(
    argument("path", metavar="[PATH|-]", suggest="files", help="The prompt; - or a pipe: stdin."),
    option("-m", "--model", suggest="models", help="Model; default: the profile's or book's."),
    option("--system", metavar="TEXT", help="System message before the prompt."),
    option("--max-tokens", metavar="N", value=whole(1, 10**8), help="Most output tokens."),
    option("--request-id", metavar="ID", help="Served and billed at most once under this id."),
    flag("--no-stream", help="Wait for the whole answer."),
    changes=True,
    acts=True,
    examples=(
        "nexctl chat prompt.md -m nex-pro",
        "echo 'Say hello' | nexctl chat -m nex-pro --max-tokens 50",
        "nexctl chat request.json -o json",
    ),
)
def chat(
    app: App,
    path: str | None,
    model: str | None,
    no_stream: bool,
    **options: Any,
) -> View | None:
    """Send one prompt; the answer goes to standard output as it comes.

    Text is one user message; a .json file is a chat request as it is, and so is one on standard
    input, as for estimate. What the gateway quoted and what it charged stand on standard error
    afterwards; -q leaves them out.
    """
    from nexctl.account import chatting

    given = _read(app, path)
    # -m stands over the request file, that over the profile, that over the price book.
    chosen = model or given.get("model") or app.profile.model
    if app.dry_run:
        return dry(app, Planned("chat.create", body=_request(given, chosen or "default", options)))
    with connect.gateway(app) as gateway:
        request = _request(given, chosen or _default_model(app, gateway), options)
        request = chatting.identified(gateway, request)
        quoted = chatting.quote(gateway, request)
        whole_answer = no_stream or app.format not in ("auto", "table")
        writer = None if whole_answer else _Writer(app)
        part: list[Answered] = []
        try:
            answered = chatting.ask(
                gateway, request, quoted=quoted, on_text=writer, on_break=part.append
            )
        except (NexctlError, KeyboardInterrupt) as error:
            # What came stands on a line of its own, before the error.
            if writer is not None:
                writer.end()
            if isinstance(error, KeyboardInterrupt):
                app.note(f"interrupted: {chatting.charged_perhaps(request)}")
            for broken_off in part:
                app.note(_receipt(app, broken_off))
            raise
    if writer is None and app.format in ("auto", "table"):
        writer = _Writer(app)
        writer(answered.text)
    if writer is not None:
        writer.end()
        _say_calls(app, answered)
        app.note(_receipt(app, answered))
        return None
    return _view(app, answered)


class _Writer:
    """Writes an answer as it comes, without what could steer a terminal."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._ended = True
        self._held = ""

    def __call__(self, piece: str) -> None:
        from nexctl.safety.text import clean

        # An escape sequence may be cut between two pieces: its beginning waits for its end.
        text = self._held + piece
        at = text.rfind("\x1b")
        cut = at if at >= 0 and len(text) - at < 64 else len(text)
        text, self._held = text[:cut], text[cut:]
        shown = clean(text, keep_newlines=True)
        if shown:
            # Before it is written: an interruption may come as soon as it is.
            self._ended = shown.endswith("\n")
            self._app.write(shown)
            self._app.flush()

    def end(self) -> None:
        """The last of it, and the end of the last line."""
        from nexctl.safety.text import clean

        rest, self._held = clean(self._held, keep_newlines=True), ""
        if rest or not self._ended:
            self._app.write(rest + "\n")
        self._app.flush()


def _read(app: App, path: str | None) -> dict[str, Any]:
    """The request's beginning: messages, and the rest of a request file."""
    from nexctl.estimate import readers
    from nexctl.estimate.sources import display_name, kind_of, unreadable

    if path is None and app.is_terminal("stdin"):
        raise UsageError(
            f"{app.command} has nothing to send",
            hint="name a file, or pipe text in",
            code="no_input",
        )
    name = "standard input" if path in (None, "-") else display_name(str(path))
    try:
        if path in (None, "-"):
            raw = app.stdin_buffer.read(LARGEST + 1) if app.stdin_buffer is not None else b""
        else:
            with open(str(path), "rb") as stream:
                raw = stream.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise unreadable(name, error) from error
    if len(raw) > LARGEST:
        raise UsageError(f"{name}: larger than {LARGEST:,} bytes", code="payload_too_large")
    text = readers.decode(raw, name)
    if not text.strip():
        raise UsageError(f"{name}: it is empty", hint="write a prompt into it", code="no_input")
    kind = "auto" if path in (None, "-") else kind_of(str(path))
    if kind == "auto":
        kind = readers.sniff(text, name)
    if kind == "jsonl":
        raise UsageError(
            f"{name}: a request on each line, and chat sends one prompt",
            hint="'nexctl batch run FILE' sends a batch file; a .txt file is sent as it stands",
            code="many_requests",
        )
    if kind == "json":
        value = readers.parse(text, name)
        if isinstance(value, dict) and isinstance(value.get("messages"), list):
            return value
        raise UsageError(
            f"{name}: not a chat request",
            hint='a request is an object with "messages"',
            code="not_a_request",
        )
    return {"messages": [{"role": "user", "content": text}]}


def _default_model(app: App, gateway: Gateway) -> str:
    from nexctl.gateways.lacking import Lacking

    try:
        found = gateway.prices.list().default_model
    except Lacking:
        found = None
    if found is None:
        raise UsageError(
            f"profile {app.profile.name} has no default model",
            hint="pass -m MODEL; 'nexctl models list' shows them",
            code="no_model",
        )
    return found


def _request(given: Mapping[str, Any], model: Any, options: Mapping[str, Any]) -> ChatRequest:
    """The request to send. UsageError with the field that is not the contract's."""
    import msgspec

    from nexctl.wire.chat import ChatRequest

    fields = {**given, "model": model}
    # Whether it streams is this program's own choice.
    fields.pop("stream", None)
    fields.pop("stream_options", None)
    if options["system"]:
        fields["messages"] = [{"role": "system", "content": options["system"]}, *fields["messages"]]
    if options["max_tokens"] is not None:
        fields["max_completion_tokens"] = options["max_tokens"]
        fields.pop("max_tokens", None)
    if options["request_id"]:
        fields["request_id"] = options["request_id"]
    try:
        return msgspec.convert(fields, ChatRequest)
    except msgspec.ValidationError as error:
        from nexctl.account.terms import fault

        field, said = fault(error)
        raise UsageError(
            f"the request: {field}: {said}" if field else f"the request: {said}",
            hint="'nexctl chat --help' says what a request file may hold",
            code="invalid_request",
        ) from None


def _say_calls(app: App, answered: Answered) -> None:
    from nexctl.cli.render import json_text

    for call in answered.tool_calls:
        app.say(f"the model asks to call: {json_text(call.get('function'))}")
    if answered.refusal:
        app.say(f"the model refused: {answered.refusal}")


def _receipt(app: App, answered: Answered) -> str:
    """One line: the quote beside the charge, tokens, model, request."""
    quoted, nex, usage = answered.quote, answered.nex, answered.usage
    parts = []
    if quoted is not None:
        low = money(quoted.charge.low, quoted.currency)
        high = money(quoted.charge.high, quoted.currency)
        parts.append(f"quote {low} to {high}")
    if nex is not None and nex.charge is not None:
        parts.append(f"charge {money(nex.charge, nex.currency or '')}")
    else:
        parts.append("charge unknown")
    if nex is not None and nex.own_key is not None:
        # It went out with the customer's own key: this is that provider's bill.
        own = nex.own_key
        fee = "unknown" if own.fee is None else money(own.fee, own.currency or "")
        parts.append(f"{own.provider} fee {fee}")
    if usage is not None:
        cached = nex.cached_input_tokens if nex is not None else None
        of = f" ({tokens(cached)} cached)" if cached else ""
        parts.append(f"{tokens(usage.prompt_tokens)} in{of}, {tokens(usage.completion_tokens)} out")
    parts.append(answered.model)
    if nex is not None and nex.status == "partial":
        parts.append("partial answer")
    if answered.request_id:
        parts.append(f"request {answered.request_id}")
    parts.append(f"profile {app.profile.name}")
    return " · ".join(parts)


def _view(app: App, answered: Answered) -> View:
    from nexctl.wire.base import plain

    quoted, nex, usage = answered.quote, answered.nex, answered.usage
    data = {
        "request_id": answered.request_id,
        "model": answered.model,
        "text": answered.text,
        "refusal": answered.refusal,
        "tool_calls": answered.tool_calls,
        "finish_reason": answered.finish_reason,
        "usage": plain(usage) if usage is not None else None,
        "charge": nex.charge if nex is not None else None,
        "currency": nex.currency if nex is not None else None,
        "quote": plain(quoted.charge) if quoted is not None else None,
        "nex": plain(nex) if nex is not None else None,
        "profile": app.profile.name,
    }
    columns = ("request_id", "model", "charge", "currency", "finish_reason", "text")
    return View(
        data,
        table=Table(columns, [[data[name] for name in columns]]),
        names=[answered.request_id],
    )
