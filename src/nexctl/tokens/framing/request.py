"""What one request costs in input tokens, in whatever API's shape it comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nexctl.tokens import registry
from nexctl.tokens.families_data import CHATS
from nexctl.tokens.framing.fields import fault, list_at, object_at, text_at, uncountable
from nexctl.tokens.framing.images import DETAILS, Size, Span, image_tokens, size_of_base64
from nexctl.tokens.framing.tools import compact, schema_tokens, tool_tokens

Error = Mapping[str, str | int]

REMOTE_IMAGE = "an image at a URL is not fetched: counted at its largest"
UNKNOWN_IMAGE = "an image of unknown size is counted at its largest"
# What a Responses request names and does not hold.
ELSEWHERE = {
    "previous_response_id": "the conversation before it (previous_response_id) is not in the"
    " request and not counted",
    "conversation": "the conversation that it goes on is not in the request and not counted",
    "prompt": "the stored prompt that it names is not in the request and not counted",
}
HIDDEN = "encrypted reasoning is not in the request as text and not counted"


class RequestCount(NamedTuple):
    """Input tokens of a request. `error` as in registry.Choice, with `tokens` beside the per cents.

    The true count lies between input_tokens * (1 + low_percent / 100) - tokens and
    input_tokens * (1 + high_percent / 100) + tokens. None where the count is exact.
    """

    input_tokens: int
    method: str
    error: Error | None
    notes: tuple[str, ...]


def count_request(
    choice: registry.Choice,
    request: Mapping[str, Any],
    counter: registry.Counter | None = None,
    endpoint: str | None = None,
) -> RequestCount:
    """Count a decoded request's input: messages and framing, names, tools, schemas, images.

    `counter` is registry.counter(choice) where the caller has one. `endpoint` (a path such as
    "/v1/embeddings") settles what a bare `input` string means; without it the model does.
    UsageError with the JSON path for a malformed request and for what no formula counts.
    """
    # By both: a framer made around one caller's counter must not count for another caller.
    key = (id(choice), id(counter))
    known = _FRAMERS.get(key)
    if known is None or known.choice is not choice or known.given is not counter:
        known = _Framer(choice, counter)
        if len(_FRAMERS) > 256:
            _FRAMERS.clear()
        _FRAMERS[key] = known
    return known.count(request, endpoint)


def frame_text(choice: registry.Choice, tokens: int) -> RequestCount:
    """The count of a text of `tokens` tokens when it is sent as one user message."""
    rule = CHATS[choice.chat]
    total = tokens + rule.get("reply", 0) + rule.get("message", 0) + int(rule.get("role", False))
    error = _error(choice, _tolerance(rule, 1, False))
    return RequestCount(total, worse(choice.method, rule["method"]), error, choice.notes)


class _Odd(Exception):
    """A message that is not plain text."""


class _Overheads(dict[str, int]):
    """Role -> tokens that a message of that role costs beside its content."""

    __slots__ = ("framer",)

    def __init__(self, framer: _Framer) -> None:
        self.framer = framer

    def __missing__(self, role: object) -> int:
        if not isinstance(role, str):
            raise _Odd
        rule = self.framer.rule
        system = role in _SYSTEM_ROLES
        cost: int = rule["system"] if system and "system" in rule else rule.get("message", 0)
        if rule.get("role"):
            cost += self.framer.counter.count(role)
        self[role] = cost
        return cost


class _Framer:
    """One choice's rules, made ready for many requests."""

    def __init__(self, choice: registry.Choice, counter: registry.Counter | None) -> None:
        self.choice = choice
        self.given = counter
        self.counter = counter or registry.counter(choice)
        self.rule = CHATS[choice.chat]
        self.reply = int(self.rule.get("reply", 0))
        self.method = worse(choice.method, self.rule["method"])
        self.overheads = _Overheads(self)
        self._errors: dict[tuple[int, bool], Error | None] = {}
        self._tools: dict[str, Span] = {}
        self._system_matters = "default_system" in self.rule

    def count(self, request: Mapping[str, Any], endpoint: str | None) -> RequestCount:
        """Count one request; plain text messages take the short way."""
        try:
            messages = request["messages"]
            if type(messages) is list and messages and _BESIDES.isdisjoint(request):
                total = self._plain(messages)
                system = self._system_matters and messages[0]["role"] in _SYSTEM_ROLES
                error = self.error_of(len(messages), system)
                return RequestCount(total, self.method, error, self.choice.notes)
        except (_Odd, KeyError, TypeError):
            pass  # counted, or refused, with every detail
        return _Counting(self, object_at(request, "the request"), endpoint).result()

    def _plain(self, messages: list[Any]) -> int:
        total = self.reply
        overheads = self.overheads
        count = self.counter.count
        for message in messages:
            content = message["content"]
            if type(content) is not str or len(message) != 2:
                raise _Odd
            total += overheads[message["role"]] + count(content)
        return total

    def error_of(self, messages: int, system: bool) -> Error | None:
        """The error of a request of that many plain messages."""
        key = (messages, system)
        if key not in self._errors:
            if len(self._errors) > 1000:
                self._errors.clear()
            self._errors[key] = _error(self.choice, _tolerance(self.rule, messages, system))
        return self._errors[key]

    def tools(self, tools: object, forced: bool, path: str) -> Span:
        """Tokens of tool definitions; batches repeat the same ones, so they are remembered."""
        key = f"{forced}{tools!r}"
        span = self._tools.get(key)
        if span is None:
            count = self.counter.count
            span = tool_tokens(self.choice.tools, tools, forced, path, count)
            if len(self._tools) > 64:
                self._tools.clear()
            self._tools[key] = span
        return span


def _tolerance(rule: Mapping[str, Any], messages: int, system: bool) -> int:
    """How many tokens the framing of that many messages may be off by."""
    tokens = int(rule.get("tokens", 0))
    tokens += int(rule.get("tokens_per_extra_message", 0)) * max(0, messages - 1)
    return tokens + (0 if system else int(rule.get("default_system", 0)))


def _error(choice: registry.Choice, tokens: int) -> Error | None:
    percents = choice.error
    if not percents and not tokens:
        return None
    percents = percents or {}
    return {
        "low_percent": str(percents.get("low_percent", "0")),
        "high_percent": str(percents.get("high_percent", "0")),
        "tokens": int(percents.get("tokens", 0)) + tokens,
    }


_FRAMERS: dict[tuple[int, int], _Framer] = {}
_SYSTEM_ROLES = ("system", "developer")
# Keys whose object, or the named part of it, may hold a schema that the answer must follow; and all
# keys that add input tokens beside `messages`.
_SCHEMAS = {"response_format": "", "text": "format", "output_format": "", "output_config": "format"}
_BESIDES = frozenset(("tools", "functions", "system", "tool_choice", *_SCHEMAS))


class _Counting:
    """One request counted in full detail: text, spans that are not exact, notes."""

    def __init__(self, framer: _Framer, request: Mapping[str, Any], endpoint: str | None) -> None:
        self.framer = framer
        self.request = request
        self.endpoint = endpoint or ""
        self.counter = framer.counter.count
        self.text = 0
        self.messages = 0
        self.system = False
        self.framed = False
        self.spans: list[Span] = []
        self.slack = 0
        self.notes: dict[str, None] = dict.fromkeys(framer.choice.notes)
        self.method = framer.choice.method

    def result(self) -> RequestCount:
        request = self.request
        if "messages" in request:
            self._messages(request["messages"])
        elif "input" in request:
            self._input(request["input"])
        elif "prompt" in request:
            self._prompts(request["prompt"], "prompt")
        elif "contents" in request:
            uncountable("contents", "a request in Gemini's own form")
        else:
            fault("the request", "an object with messages, input or prompt", request)
        self._besides()
        return self._sum()

    def _sum(self) -> RequestCount:
        framer = self.framer
        total = self.text + sum(span.tokens for span in self.spans)
        tolerance = self.slack
        if self.framed:
            total += framer.reply
            tolerance += _tolerance(framer.rule, self.messages, self.system)
            self.method = worse(self.method, framer.rule["method"])
        notes = tuple(self.notes)
        percents = framer.choice.error or {}
        if not self.spans:
            if not percents and not tolerance:
                return RequestCount(total, self.method, None, notes)
            low, high = percents.get("low_percent", "0"), percents.get("high_percent", "0")
        else:
            self.method = registry.ESTIMATED
            below = sum(span.tokens - span.low for span in self.spans)
            above = sum(span.high - span.tokens for span in self.spans)
            low = _share(-below, total, percents.get("low_percent", "0"))
            high = _share(above, total, percents.get("high_percent", "0"))
        error: Error = {
            "low_percent": str(low),
            "high_percent": str(high),
            "tokens": int(percents.get("tokens", 0)) + tolerance,
        }
        return RequestCount(total, self.method, error, notes)

    # -- shapes

    def _messages(self, messages: object) -> None:
        self.framed = True
        found = list_at(messages, "messages")
        if not found:
            fault("messages", "a list of at least one message", messages)
        for place, message in enumerate(found):
            self._message(object_at(message, f"messages[{place}]"), f"messages[{place}]")
        if self.request.get("system") is not None:
            self._system(self.request["system"], "system")

    def _input(self, given: object) -> None:
        """Responses (a conversation) or embeddings (texts), by the endpoint or else the model."""
        embeds = self.framer.choice.chat == "none" or "embeddings" in self.endpoint
        if isinstance(given, list) and given and not isinstance(given[0], Mapping):
            embeds = True
        if embeds:
            self._prompts(given, "input")
            return
        self.framed = True
        if self.request.get("instructions") is not None:
            self._system(self.request["instructions"], "instructions")
        if isinstance(given, str):
            self.messages += 1
            self.text += self.framer.overheads["user"] + self.counter(given)
        else:
            for place, item in enumerate(list_at(given, "input")):
                self._item(object_at(item, f"input[{place}]"), f"input[{place}]")
        for key, note in ELSEWHERE.items():
            if self.request.get(key) is not None:
                self.notes[note] = None
                self.method = registry.ESTIMATED

    def _prompts(self, given: object, path: str) -> None:
        """A text, texts, or token ids that are already counted."""
        if isinstance(given, str):
            self.text += self.counter(given)
            return
        if isinstance(given, Mapping) and "id" in given:
            uncountable(path, "a stored prompt")
        for place, item in enumerate(list_at(given, path)):
            if isinstance(item, str):
                self.text += self.counter(item)
            elif type(item) is int:
                self.text += 1
            elif isinstance(item, list) and all(type(token) is int for token in item):
                self.text += len(item)
            else:
                fault(f"{path}[{place}]", "a string or token ids", item)

    def _besides(self) -> None:
        request = self.request
        choice = request.get("tool_choice")
        kind = choice.get("type") if isinstance(choice, Mapping) else choice
        forced = kind in ("any", "tool", "required", "function")
        for key in ("tools", "functions"):
            if request.get(key):
                self.spans.append(self.framer.tools(request[key], forced, key))
        for key, inner in _SCHEMAS.items():
            wanted = request.get(key)
            if wanted is None:
                continue
            wanted = object_at(wanted, key)
            if inner in wanted:
                wanted = object_at(wanted[inner], f"{key}.{inner}")
            if wanted.get("type") == "json_schema":
                self.spans.append(schema_tokens(wanted.get("json_schema", wanted), self.counter))

    # -- messages

    def _system(self, content: object, path: str) -> None:
        self.system = True
        self.slack += 2
        self.text += self.framer.overheads["system"]
        self._content(content, path)

    def _message(self, message: Mapping[str, Any], path: str) -> None:
        self.messages += 1
        role = text_at(message.get("role"), f"{path}.role")
        self.system = self.system or role in _SYSTEM_ROLES
        self.text += self.framer.overheads[role]
        calls = message.get("tool_calls")
        if message.get("content") is not None:
            self._content(message["content"], f"{path}.content")
        elif not calls and not message.get("function_call") and not message.get("refusal"):
            fault(f"{path}.content", "a string or a list of parts", message.get("content"))
        if message.get("name") is not None:
            self.text += self.counter(text_at(message["name"], f"{path}.name"))
            self.text += int(self.framer.rule.get("name", 1))
        if message.get("refusal") is not None:
            self.text += self.counter(text_at(message["refusal"], f"{path}.refusal"))
        if calls is not None:
            for place, call in enumerate(list_at(calls, f"{path}.tool_calls")):
                where = f"{path}.tool_calls[{place}]"
                call = object_at(call, where)
                self._call(call.get("function", call.get("custom")), f"{where}.function")
        if message.get("function_call") is not None:
            self._call(message["function_call"], f"{path}.function_call")

    def _item(self, item: Mapping[str, Any], path: str) -> None:
        """One item of a responses request."""
        kind = item.get("type", "message")
        if kind == "message":
            self._message(item, path)
        elif kind == "function_call":
            self._call(item, path)
        elif kind in ("function_call_output", "custom_tool_call_output"):
            self._result(item.get("output"), f"{path}.output")
        elif kind == "reasoning":
            self.notes[HIDDEN] = None
            self.method = registry.ESTIMATED
            for place, part in enumerate(item.get("summary") or ()):
                self._part(object_at(part, f"{path}.summary[{place}]"), f"{path}.summary[{place}]")
        else:
            uncountable(path, f"an item of type {kind!r}")

    def _call(self, call: object, path: str) -> None:
        """A call that the model made earlier: name and arguments under a few tokens of framing."""
        call = object_at(call, path)
        tokens = 3 + self.counter(text_at(call.get("name"), f"{path}.name"))
        arguments = call.get("arguments", call.get("input", ""))
        tokens += self.counter(arguments if isinstance(arguments, str) else compact(arguments))
        self.spans.append(Span(tokens, max(0, tokens - 5), tokens + 12))

    def _result(self, content: object, path: str) -> None:
        self.messages += 1
        self.text += self.framer.overheads["tool"]
        if content is not None:
            self._content(content, path)
        self.slack += 5

    def _content(self, content: object, path: str) -> None:
        if isinstance(content, str):
            self.text += self.counter(content)
            return
        if not isinstance(content, list):
            fault(path, "a string or a list of parts", content)
        for place, part in enumerate(content):
            where = f"{path}[{place}]"
            if isinstance(part, str):
                self.text += self.counter(part)
            else:
                self._part(object_at(part, where), where)

    def _part(self, part: Mapping[str, Any], path: str) -> None:
        kind = part.get("type")
        if kind in _TEXT_PARTS:
            field = _TEXT_PARTS[kind]
            self.text += self.counter(text_at(part.get(field), f"{path}.{field}"))
        elif kind in ("image_url", "input_image", "image"):
            self._image(part, path)
        elif kind == "tool_use":
            self._call(part, path)
        elif kind == "tool_result":
            self.slack += 5
            if part.get("content") is not None:
                self._content(part["content"], f"{path}.content")
        elif kind == "document":
            self._document(part, path)
        elif kind == "redacted_thinking":
            self.notes[HIDDEN] = None
            self.method = registry.ESTIMATED
        elif isinstance(kind, str):
            uncountable(path, f"a part of type '{kind}'")
        else:
            fault(f"{path}.type", "the type of a part", kind)

    def _document(self, part: Mapping[str, Any], path: str) -> None:
        source = object_at(part.get("source"), f"{path}.source")
        if source.get("type") == "text":
            self.text += self.counter(text_at(source.get("data"), f"{path}.source.data"))
        elif source.get("type") == "content":
            self._content(source.get("content"), f"{path}.source.content")
        else:
            uncountable(path, "a document that is not text")

    # -- images

    def _image(self, part: Mapping[str, Any], path: str) -> None:
        detail = part.get("detail")
        if "source" in part:
            size, note = self._claude_source(
                object_at(part["source"], f"{path}.source"), f"{path}.source"
            )
        else:
            given = part.get("image_url", part.get("url"))
            path = f"{path}.image_url"
            if isinstance(given, Mapping):
                detail = given.get("detail", detail)
                given, path = given.get("url"), f"{path}.url"
            if given is None and part.get("file_id") is not None:
                size, note = None, UNKNOWN_IMAGE
            else:
                size, note = _size_at(text_at(given, path), path)
        if detail is None:
            detail = "auto"
        if detail not in DETAILS:
            fault(f"{path}.detail", "auto, low, high or original", detail)
        if note:
            self.notes[note] = None
        self.spans.append(image_tokens(self.framer.choice.image, size, detail))

    def _claude_source(
        self, source: Mapping[str, Any], path: str
    ) -> tuple[Size | None, str | None]:
        if source.get("type") == "base64":
            data = text_at(source.get("data"), f"{path}.data")
            size = size_of_base64(data, f"{path}.data")
            return size, None if size else UNKNOWN_IMAGE
        if source.get("type") not in ("url", "file"):
            fault(f"{path}.type", "base64, url or file", source.get("type"))
        return None, REMOTE_IMAGE


_TEXT_PARTS = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "summary_text": "text",
    "reasoning_text": "text",
    "refusal": "refusal",
    "thinking": "thinking",
}


def _size_at(url: str, path: str) -> tuple[Size | None, str | None]:
    if url[:5].lower() != "data:":
        return None, REMOTE_IMAGE
    head, comma, data = url.partition(",")
    if not comma or not head.endswith(";base64"):
        fault(path, "a data: URL in base64", url)
    size = size_of_base64(data, path)
    return size, None if size else UNKNOWN_IMAGE


def worse(one: str, other: str) -> str:
    """The less certain of two methods."""
    return max(one, other, key=registry.METHODS.index)


def _share(tokens: int, total: int, percent: str | int) -> str:
    """`tokens` as per cent of `total` beyond `percent`, in tenths, rounded away from zero."""
    whole, _, part = str(percent).lstrip("-").partition(".")
    tenths = int(whole or 0) * 10 + -(-int((part + "00")[:2]) // 10)
    tenths += -(-abs(tokens) * 1000 // max(1, total))
    sign = "-" if tokens < 0 or str(percent).startswith("-") else ""
    return f"{sign}{tenths // 10}.{tenths % 10}" if tenths else "0"
