"""Claude's token counts, offline, by the published reconstruction `ctok` (MIT, Sander Land).

Anthropic publishes no tokenizer for Claude 3 and later; ctok measured one through count_tokens
(https://github.com/sanderland/ctok). The data here is ctok 1.3.0's, written by
scripts/build_claude_data.py; the engine is this project's own and gives ctok's count on any text.

Three families: v3 (Claude 3 to Opus 4.6), v4.7 (Opus 4.7), v4.8 (Opus 4.8, Sonnet 5, Fable 5: the
v4.7 vocabulary in another frame). A *plain text* is counted as its content alone. A *request* of
one user message costs `FRAME[family]` more: 7, 11, 6. ctok's own number is content plus frame.
"""

from __future__ import annotations

from functools import lru_cache

from nexctl.tokens.claude.counter import Claude

FRAME = {"claude-v3": 7, "claude-v4.7": 11, "claude-v4.8": 6}


@lru_cache(maxsize=4)
def engine(name: str) -> Claude:
    """The counter of one family: "claude-v3", "claude-v4.7" or "claude-v4.8"."""
    if name == "claude-v3":
        return Claude("pieces_v3.bin", fold_quotes=True, capitals=4, frame_is_space=True)
    if name == "claude-v4.7":
        return Claude("pieces_v4_7.bin", fold_quotes=False, capitals=None, frame_is_space=True)
    return Claude("pieces_v4_7.bin", fold_quotes=False, capitals=None, frame_is_space=False)
