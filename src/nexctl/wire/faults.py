"""What is wrong with a value of the contract, for who does not know the contract's types."""

from __future__ import annotations

import re

NO_SUCH_FIELD = "there is no such field"

_PLACE = re.compile(r" - at (?:`key` in )?`\$\.?([^`]{0,200})`$")
_UNKNOWN = re.compile(r"contains unknown field `([^`]{1,100})`")
_FAULTS = (
    (r"Expected `str` of length >= 1", "it is empty"),
    (r"Expected `str` of length >= (\d+)", "too short: at least {} characters"),
    (r"Expected `str` of length <= (\d+)", "too long: at most {} characters"),
    (r"Expected `str` matching regex .*", "not in the form that is asked for"),
    (r"Expected `array` of length >= (\d+)", "too few: at least {}"),
    (r"Expected `array` of length <= (\d+)", "too many: at most {}"),
    (r"Expected `int` >= (-?\d+)", "less than {}"),
    (r"Expected `int` <= (-?\d+)", "more than {}"),
    (r"Expected `(\w+)`, got `null`", "it is missing"),
    (r"Expected `([\w |]+?)(?: \| null)?`, got `(\w+)`", "it must be {}, not {}"),
    (r"Object missing required field `(\w+)`", "{} is missing"),
    (r"Object contains unknown field `(\w+)`", "there is no field {}"),
    (r"Invalid enum value '?(.*?)'?", "there is no {}"),
)


def in_words(said: str) -> str:
    """The words of msgspec's validation, without the place, as a person would say it."""
    for pattern, words in _FAULTS:
        if found := re.fullmatch(pattern, said):
            return words.format(*found.groups()).replace(" | ", " or ")
    return f"{said[:1].lower()}{said[1:]}"


def told(error: Exception) -> tuple[str | None, str]:
    """The field that msgspec's validation refused, None for the whole, and why, in plain words."""
    text = str(error)
    place = _PLACE.search(text)
    where = place[1] if place else ""
    unknown = _UNKNOWN.search(text)
    if unknown:
        return f"{where}.{unknown[1]}" if where else unknown[1], NO_SUCH_FIELD
    what = text[: place.start()] if place else text
    # An invalid value of an enumeration is quoted by the library; it stays out of the answer.
    if what.startswith(("Invalid enum value", "Invalid value")):
        what = "not one of the allowed values"
    return where or None, in_words(what)[:200]
