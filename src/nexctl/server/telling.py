"""What a gateway tells whoever runs it: by `logging`, or to who listens where it is in process."""

from __future__ import annotations

from collections.abc import Callable

from nexctl.errors import NexctlError

NAME = "nexctl.server"
_listeners: list[Callable[[str], object]] = []


def listen(told: Callable[[str], object]) -> None:
    """Tell `told` instead of logging, from now on: the gateway is in this process."""
    _listeners[:] = [told]


def warn(text: str) -> None:
    """Say what the operator should look at."""
    _tell("warning", text)


def fault(text: str) -> None:
    """Say what the gateway itself did wrong."""
    _tell("error", text)


def words(error: Exception) -> str:
    """What is told of an error: its message; of a fault of this program only its kind."""
    return error.message if isinstance(error, NexctlError) else type(error).__name__


def _tell(level: str, text: str) -> None:
    for told in _listeners:
        told(text)
    if not _listeners:
        import logging

        getattr(logging.getLogger(NAME), level)("%s", text)
