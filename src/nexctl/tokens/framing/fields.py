"""Reading a request's fields: the right type or one clear line with the JSON path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from nexctl.errors import UsageError

_KINDS = {
    str: "a string",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    type(None): "null",
}

_OUTPUT_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")


def fault(path: str, expected: str, value: object) -> NoReturn:
    """Refuse a request: `path` must be `expected`, and is not."""
    kind = "an object" if isinstance(value, Mapping) else _KINDS.get(type(value), "something else")
    if type(value) in (int, float):
        kind = str(value)
    elif value in ([], {}):
        kind = kind.replace("a list", "an empty list").replace("an object", "an empty object")
    raise UsageError(
        f"{path} must be {expected}, not {kind}",
        hint="correct the request; its shape is that of the gateway's API",
        code="bad_request_file",
    )


def uncountable(path: str, what: str) -> NoReturn:
    """Refuse what no formula counts: left out it would look free."""
    raise UsageError(
        f"{path}: {what} cannot be counted offline",
        hint="leave it out of the estimate, or put its text into the request",
        code="uncountable_content",
    )


def text_at(value: object, path: str) -> str:
    """`value`, which must be a string."""
    if not isinstance(value, str):
        fault(path, "a string", value)
    return value


def list_at(value: object, path: str) -> list[Any]:
    """`value`, which must be a list."""
    if not isinstance(value, list):
        fault(path, "a list", value)
    return value


def object_at(value: object, path: str) -> Mapping[str, Any]:
    """`value`, which must be an object."""
    if not isinstance(value, Mapping):
        fault(path, "an object", value)
    return value


def model_of(request: Mapping[str, Any]) -> str | None:
    """The model that the request names; None where it names none."""
    model = object_at(request, "the request").get("model")
    if model is None:
        return None
    if not isinstance(model, str) or not model.strip():
        fault("model", "a model's name", model)
    return model


def max_output_of(request: Mapping[str, Any]) -> int | None:
    """The most output tokens of one answer that the request allows; None where it sets no limit."""
    for name in _OUTPUT_LIMITS:
        value = request.get(name)
        if value is not None:
            return _whole(value, name, 0)
    return None


def answers_of(request: Mapping[str, Any]) -> int:
    """How many answers the request has made: `n`, for completions of each prompt.

    `best_of` of them are made, and billed, where it is more. Source: OpenAI's reference of
    /v1/completions.
    """
    value = request.get("n")
    answers = 1 if value is None else _whole(value, "n", 1)
    if "prompt" not in request or "messages" in request or "input" in request:
        return answers
    if request.get("best_of") is not None:
        answers = max(answers, _whole(request["best_of"], "best_of", 1))
    prompts = request["prompt"]
    # A list of numbers is one prompt in tokens.
    if isinstance(prompts, list) and prompts and type(prompts[0]) is not int:
        answers *= len(prompts)
    return answers


def _whole(value: object, path: str, least: int) -> int:
    if type(value) is not int or value < least:
        fault(path, f"a whole number of {least} or more", value)
    return value
