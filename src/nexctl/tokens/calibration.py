"""Calibration: how many tokens were billed for each token counted, by model and script.

A file that `nexctl usage calibrate` writes, JSON, no prompt text in it:

    {"format": 1, "made_at": ..., "ratios": [...], "outputs": [...]}

A ratio holds for one model, one script of text and one way of counting: another tokenizer's counts
would be multiplied with the wrong number. Exact counts are never touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from nexctl.errors import ConfigError, UsageError
from nexctl.tokens.registry import Choice

FORMAT = 1
_HINT = "'nexctl usage calibrate --prompts DIR' writes one; --calibration off does without"
MAX_BYTES = 16 * 1024 * 1024
SCRIPTS = ("latin", "cjk", "code", "other")
# Ratios are millionths; what lies outside is no tokenizer's doing.
ONE = 1_000_000
LEAST, MOST = ONE // 20, ONE * 20

# A sample of a text tells its script as well as the whole.
SAMPLE = 20_000
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_SPACE = re.compile(r"\s+")
_MARKS = re.compile(r"[{}()\[\];=<>_\\|&$]")
_FOREIGN = re.compile("[^\x00-\u024f\u2000-\u2bff\u3000-\u303f\ufe00-\U0001ffff]")
_DECIMAL = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,6})?", re.ASCII)
_PERCENT = re.compile(r"-?[0-9]{1,5}(?:\.[0-9]{1,4})?", re.ASCII)
_TEXTS = ("content", "text", "input", "prompt", "instructions", "system", "parts", "messages")


class Ratio(NamedTuple):
    """Billed tokens for each counted one, in millionths, and the error that is left."""

    millionths: int
    error: Mapping[str, str]

    def of(self, tokens: int) -> int:
        """The calibrated count of a counted one, to the nearest token."""
        return (tokens * self.millionths * 2 + ONE) // (2 * ONE)


class Calibration:
    """What a file says: ratios by (model, script, counter), typical output by model."""

    def __init__(
        self, ratios: Mapping[tuple[str, str, str], Ratio], outputs: Mapping[str, int]
    ) -> None:
        self._ratios = ratios
        self._outputs = outputs
        self._counters = {(model, script): counter for model, script, counter in ratios}

    def ratio(self, model: str, script: str, choice: Choice) -> Ratio | None:
        """The ratio of a model's text of a script as `choice` counts it, None where none holds."""
        return self._ratios.get((model, script, counter_of(choice)))

    def stale(self, model: str, script: str, choice: Choice) -> bool:
        """Whether there is a ratio that was learned with another way of counting."""
        learned = self._counters.get((model, script))
        return learned is not None and (model, script, counter_of(choice)) not in self._ratios

    def output(self, model: str) -> int | None:
        """Typical output tokens of one answer, None where it is not known."""
        return self._outputs.get(model)


def counter_of(choice: Choice) -> str:
    """Name what a count depends on: its tokenizer, the engine that stands for it, its scale."""
    top, bottom = choice.scale
    return f"{choice.tokenizer}|{choice.engine or choice.tokenizer}|{top}/{bottom}"


def script_of(text: str) -> str:
    """latin, cjk, code or other: what a tokenizer's economy depends on, from a text's beginning.

    cjk from three tenths of Han, kana or hangul, other from three tenths of another script, code
    from seven hundredths of brackets, operators and the like, else latin (a text of nothing, too).
    """
    sample = _SPACE.sub("", text[:SAMPLE])
    size = len(sample)
    if not size:
        return "latin"
    if not sample.isascii():
        cjk = len(_CJK.findall(sample))
        if cjk * 10 >= size * 3:
            return "cjk"
        if (len(_FOREIGN.findall(sample)) - cjk) * 10 >= size * 3:
            return "other"
    marks = len(_MARKS.findall(sample))
    return "code" if marks >= 4 and marks * 100 >= size * 7 else "latin"


def text_of(request: Mapping[str, Any]) -> str:
    """The beginning of a request's text, for its script; data of images is left out."""
    found: list[str] = []
    room = SAMPLE
    for text in _texts(request, 0):
        found.append(text[:room])
        room -= len(text)
        if room <= 0:
            break
    return "\n".join(found)


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        if not value.startswith("data:"):
            yield value
    elif depth < 8 and isinstance(value, Mapping):
        for name in _TEXTS:
            if name in value:
                yield from _texts(value[name], depth + 1)
    elif depth < 8 and isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, depth + 1)


def load(path: str) -> Calibration:
    """Read a calibration file.

    UsageError (exit 2) where it cannot be read, ConfigError (exit 78) where it is none.
    """
    try:
        with open(path, "rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as fault:
        raise UsageError(
            f"calibration {path}: {fault.strerror or fault}", hint=_HINT, code="unreadable"
        ) from None
    if len(raw) > MAX_BYTES:
        raise _fault(path, "larger than 16 MiB")
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise _fault(path, "not JSON") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _fault(path, f"not a calibration of format {FORMAT}")
    ratios: dict[tuple[str, str, str], Ratio] = {}
    for place, row in enumerate(_rows(path, document, "ratios")):
        model, script, counter = (row.get(name) for name in ("model", "script", "counter"))
        millionths = _millionths(row.get("ratio"))
        error = row.get("error")
        if not (
            isinstance(model, str)
            and script in SCRIPTS
            and isinstance(counter, str)
            and millionths is not None
            and isinstance(error, dict)
            and all(_percent(error.get(key)) for key in ("low_percent", "high_percent"))
        ):
            raise _fault(path, f"ratios[{place}] is malformed")
        band = {key: str(error[key]) for key in ("low_percent", "high_percent")}
        ratios[model, script, counter] = Ratio(millionths, band)
    outputs: dict[str, int] = {}
    for place, row in enumerate(_rows(path, document, "outputs")):
        model, median = row.get("model"), row.get("median")
        if not isinstance(model, str) or type(median) is not int or not 0 <= median < 10**9:
            raise _fault(path, f"outputs[{place}] is malformed")
        outputs[model] = median
    return Calibration(ratios, outputs)


def _rows(path: str, document: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    rows = document.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _fault(path, f"{name} is not a list of objects")
    return rows


def _millionths(text: Any) -> int | None:
    if not isinstance(text, str) or _DECIMAL.fullmatch(text) is None:
        return None
    whole, _, fraction = text.partition(".")
    found = int(whole + fraction.ljust(6, "0"))
    return found if LEAST <= found <= MOST else None


def _percent(text: Any) -> bool:
    return isinstance(text, str) and _PERCENT.fullmatch(text) is not None


def _fault(path: str, why: str) -> ConfigError:
    return ConfigError(
        f"calibration {path}: {why}",
        hint=_HINT,
        code="bad_calibration",
        details={"file": path},
    )
