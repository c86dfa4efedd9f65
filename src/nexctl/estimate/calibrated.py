"""A calibration applied to counts, as they come: loaded only where an estimate names one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nexctl.estimate.lanes import METHODS, Demand, Lane
from nexctl.tokens import calibration
from nexctl.tokens.registry import Choice

Error = Mapping[str, str | int] | None
NONE_LEARNED = "the calibration has nothing for this model and script: counted as without it"
STALE = "the calibration was made with another tokenizer: it is not used"


class Calibrated:
    """The calibration of one estimator."""

    def __init__(self, path: str) -> None:
        self._file = calibration.load(path)

    def apply(
        self,
        lane: Lane,
        choice: Choice,
        method: str,
        error: Error,
        demand: Demand,
        prompt: Mapping[str, Any] | str,
    ) -> tuple[Demand, str, Error]:
        """(demand, method, error) with the calibrated count; an exact count stays as it is."""
        typical = self._file.output(lane.model.id)
        if typical is not None:
            demand = demand._replace(typical=typical)
        if method == METHODS[0]:
            return demand, method, error
        text = prompt if isinstance(prompt, str) else calibration.text_of(prompt)
        script = calibration.script_of(text)
        ratio = self._file.ratio(lane.model.id, script, choice)
        if ratio is None:
            stale = self._file.stale(lane.model.id, script, choice)
            lane.note(STALE if stale else NONE_LEARNED)
            return demand, method, error
        raw = demand.input_tokens
        found = demand._replace(input_tokens=ratio.of(raw), raw=raw)
        return found, METHODS[-1], ratio.error
