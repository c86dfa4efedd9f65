"""What is wrong with a value of the contract, for who does not know the contract's types."""

from __future__ import annotations

import re

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
    (r"Expected `(\w+)`, got `(\w+)`", "it must be {}, not {}"),
    (r"Object missing required field `(\w+)`", "{} is missing"),
    (r"Object contains unknown field `(\w+)`", "there is no field {}"),
    (r"Invalid enum value '?(.*?)'?", "there is no {}"),
)


def in_words(said: str) -> str:
    """The words of msgspec's validation, without the place, as a person would say it."""
    for pattern, words in _FAULTS:
        if found := re.fullmatch(pattern, said):
            return words.format(*found.groups())
    return f"{said[:1].lower()}{said[1:]}"
