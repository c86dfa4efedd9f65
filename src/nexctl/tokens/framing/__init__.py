"""Requests as token counts: messages with their framing, tools, images, each with its error.

A request is decoded JSON (plain mappings) in any of the usual shapes: chat completions, responses,
Claude messages, completions, embeddings. The rules are data (families.toml: chat, tools, image).
"""

from __future__ import annotations

from nexctl.tokens.framing.fields import answers_of, max_output_of, model_of
from nexctl.tokens.framing.request import RequestCount, count_request, frame_text

__all__ = [
    "RequestCount",
    "answers_of",
    "count_request",
    "frame_text",
    "max_output_of",
    "model_of",
]
