"""The check of one batch line, and of what all lines of a file must share.

Every fault of a line is found, not only the first, each with a code, a line number and the field.
Codes are OpenAI's where it has one (`invalid_json_line`, `duplicate_custom_id`, `url_mismatch`,
`model_mismatch`, `empty_file`, `too_many_tasks`), so that what is refused here before an upload and
what a gateway refuses after one read alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

KEYS = ("custom_id", "method", "url", "body")
LONGEST_ID = 512
MAX_LINE_BYTES = 16 * 1024 * 1024

# Fields that limit a request's output; the endpoints whose requests have no output to limit.
OUTPUT_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
WITHOUT_OUTPUT = frozenset(("/v1/embeddings", "/v1/moderations"))

Decode = Callable[[bytes], Any]


class Rules(NamedTuple):
    """What a target takes. Plain values: processes get a copy.

    `endpoints` are the urls it serves in batches (empty: any path), `id_pattern` what a custom_id
    must match as a whole (None: anything up to `longest_id` characters), `needs_max_output`
    whether a request without a limit on its output is a fault.
    """

    endpoints: tuple[str, ...] = ()
    id_pattern: str | None = None
    longest_id: int = LONGEST_ID
    max_line_bytes: int = MAX_LINE_BYTES
    needs_max_output: bool = True


class Fault(NamedTuple):
    """One thing that is wrong: a stable code, the 1-based line, words, and the field."""

    code: str
    line: int | None
    message: str
    param: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The fault as a batch's `errors.data[]` spells it."""
        return self._asdict()


class Checked(NamedTuple):
    """A line and its faults. `value` is None where the line could not be read at all.

    `custom_id`, `url`, `model` are what could be told of them, None where missing or malformed.
    """

    line: int
    value: Mapping[str, Any] | None
    custom_id: str | None
    url: str | None
    model: str | None
    faults: tuple[Fault, ...]


def check_line(raw: bytes, line: int, rules: Rules, decode: Decode | None = None) -> Checked:
    """Check one line without its line end. Blank lines are the caller's to leave out.

    `decode` reads JSON bytes (default: msgspec's reader, which refuses bad UTF-8, NaN, trailing
    text); it is a parameter so that a loop over millions of lines makes its decoder once.
    """
    if len(raw) > rules.max_line_bytes:
        why = f"{len(raw):,} bytes are more than the {rules.max_line_bytes:,} of one line"
        return _unreadable(Fault("line_too_large", line, why))
    try:
        value = (decode or _decoder())(raw)
    except UnicodeDecodeError as error:
        return _unreadable(
            Fault("invalid_utf8", line, f"byte {error.start + 1} of the line is not UTF-8")
        )
    except RecursionError:
        return _unreadable(Fault("invalid_json_line", line, "nested too deeply"))
    except ValueError as error:  # msgspec.DecodeError is one
        return _unreadable(_broken(raw, line, error))
    if not isinstance(value, dict):
        return _unreadable(
            Fault("invalid_json_line", line, f"a line is an object, not {_kind(value)}")
        )
    return check_value(value, line, rules)


def check_value(value: Mapping[str, Any], line: int, rules: Rules) -> Checked:
    """Check a line that is decoded already: an item of `{"items": [...]}`, `line` its number."""
    faults: list[Fault] = []

    def fault(code: str, message: str, param: str | None) -> None:
        faults.append(Fault(code, line, message, param))

    for key in value:
        if key not in KEYS:
            fault("unknown_key", f"{_shown(key)} is no field of a batch line", str(key)[:64])
    custom_id = _custom_id(value, rules, fault)
    if "method" not in value:
        fault("missing_key", '"method" is missing', "method")
    elif value["method"] != "POST":
        fault("invalid_method", f'"method" is "POST", not {_shown(value["method"])}', "method")
    url = _url(value, rules, fault)
    model = _body(value, url, rules, fault)
    return Checked(line, value, custom_id, url, model, tuple(faults))


class Sameness:
    """What all lines of one file must share: one endpoint and one model.

    The first line that has them sets them. With `split` any mixture is taken, for it is cut into
    batches of one endpoint and model each.
    """

    def __init__(self, *, split: bool = False, url: str | None = None) -> None:
        self.split = split
        self.url = url
        self.model: str | None = None

    def faults(self, checked: Checked) -> tuple[Fault, ...]:
        """What differs in this line from those before it."""
        return self.differs(checked.url, checked.model, checked.line)

    def differs(self, url: str | None, model: str | None, line: int) -> tuple[Fault, ...]:
        """The same from the parts alone."""
        if self.split:
            return ()
        found = []
        if self.url is None:
            self.url = url
        elif url is not None and url != self.url:
            words = f"{url} in a file of {self.url}"
            found.append(Fault("url_mismatch", line, words, "url"))
        if self.model is None:
            self.model = model
        elif model is not None and model != self.model:
            words = f"model {model} in a file of {self.model}"
            found.append(Fault("model_mismatch", line, words, "body.model"))
        return tuple(found)


def is_legal_id(custom_id: str, rules: Rules) -> bool:
    """Whether a target takes this custom_id as it is."""
    if not custom_id or len(custom_id) > rules.longest_id:
        return False
    return rules.id_pattern is None or _pattern(rules.id_pattern).fullmatch(custom_id) is not None


def duplicate(custom_id: str | None, line: int, first: int) -> Fault:
    """The fault of an id that stands in an earlier line too."""
    named = f"custom_id {_shown(custom_id)}" if custom_id is not None else "its custom_id"
    return Fault("duplicate_custom_id", line, f"{named} stands in line {first} too", "custom_id")


def _unreadable(fault: Fault) -> Checked:
    return Checked(fault.line or 0, None, None, None, None, (fault,))


def _broken(raw: bytes, line: int, error: ValueError) -> Fault:
    """Say that a line is no JSON, or no UTF-8 where that is the reason."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as bad:
        words = f"byte {bad.start + 1} of the line is not UTF-8"
        return Fault("invalid_utf8", line, words)
    return Fault("invalid_json_line", line, f"broken JSON: {str(error)[:160]}")


def _custom_id(
    value: Mapping[str, Any], rules: Rules, fault: Callable[[str, str, str | None], None]
) -> str | None:
    found = value.get("custom_id")
    if found is None:
        fault("missing_key", '"custom_id" is missing', "custom_id")
        return None
    if not isinstance(found, str) or not found:
        fault("invalid_custom_id", f"custom_id is a text, not {_shown(found)}", "custom_id")
        return None
    if not is_legal_id(found, rules):
        why = (
            f"longer than {rules.longest_id} characters"
            if len(found) > rules.longest_id
            else f"does not match {rules.id_pattern}"
        )
        fault("invalid_custom_id", f"custom_id {_shown(found)} {_is(why)}", "custom_id")
    try:
        found.encode("utf-8")
    except UnicodeEncodeError:
        fault("invalid_custom_id", "custom_id holds half a character (a surrogate)", "custom_id")
        return None
    return found


def _url(
    value: Mapping[str, Any], rules: Rules, fault: Callable[[str, str, str | None], None]
) -> str | None:
    found = value.get("url")
    if found is None:
        fault("missing_key", '"url" is missing', "url")
        return None
    if not isinstance(found, str) or not found.startswith("/"):
        fault("invalid_url", f"url is a path like /v1/chat/completions, not {_shown(found)}", "url")
        return None
    if rules.endpoints and found not in rules.endpoints:
        known = ", ".join(rules.endpoints)
        fault("invalid_url", f"{_shown(found)} is not served in batches; {known} are", "url")
        return None
    return found


def _body(
    value: Mapping[str, Any],
    url: str | None,
    rules: Rules,
    fault: Callable[[str, str, str | None], None],
) -> str | None:
    body = value.get("body")
    if body is None:
        fault("missing_key", '"body" is missing', "body")
        return None
    if not isinstance(body, dict):
        fault("invalid_body", f"body is an object, not {_kind(body)}", "body")
        return None
    if body.get("stream"):
        fault("stream_not_allowed", "a batch line is never streamed", "body.stream")
    _output_limit(body, url, rules, fault)
    model = body.get("model")
    if model is None:
        fault("missing_key", '"model" is missing in the body', "body.model")
        return None
    if not isinstance(model, str) or not model:
        fault("invalid_model", f"model is a text, not {_shown(model)}", "body.model")
        return None
    return model


def _output_limit(
    body: Mapping[str, Any],
    url: str | None,
    rules: Rules,
    fault: Callable[[str, str, str | None], None],
) -> None:
    stated = False
    for name in OUTPUT_LIMITS:
        found = body.get(name)
        if found is None:
            continue
        stated = True
        if type(found) is not int or found < 1:
            words = f"{name} is a whole number of 1 or more, not {_shown(found)}"
            fault("invalid_max_tokens", words, f"body.{name}")
    if rules.needs_max_output and not stated and url not in WITHOUT_OUTPUT:
        words = "no max_completion_tokens: what the line may cost has no bound"
        fault("max_tokens_missing", words, "body.max_completion_tokens")


@lru_cache(maxsize=16)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


@lru_cache(maxsize=1)
def _decoder() -> Decode:
    import msgspec

    decode: Decode = msgspec.json.Decoder().decode
    return decode


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else "a number"


def _is(why: str) -> str:
    return why if why.startswith("does") else f"is {why}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
