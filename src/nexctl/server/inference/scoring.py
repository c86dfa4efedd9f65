"""How much a prompt asks for reasoning: a stated score, made of what stands in it, nothing else.

The same request always gets the same score. It is the sum of these points, at most 100:

    30  it asks for a proof, a derivation, steps, a plan or an analysis (once, however often)
    20  it sets conditions that are to hold together ("if ... then", "at least", "exactly")
    15  two or more numbers and an operator or a unit of counting between them
    15  mathematics or logic by name (integral, probability, theorem, satisfiable ...)
    10  longer than 300 characters, 20 from 1,200 on
    60  the request asks for reasoning itself: `reasoning_effort` of medium, high or xhigh

From 50 points on a model that the book tags `reasoning` is preferred, below it the cheapest one.
Only the last user message is read, its first 20,000 characters. See docs/explanation/routing.md.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

THRESHOLD = 50
READ = 20_000
LONG, VERY_LONG = 300, 1_200


class Score(NamedTuple):
    """Points of 100 and the names of what gave them."""

    points: int
    signs: tuple[str, ...]

    @property
    def text(self) -> str:
        """The points as a share of 1, like 0.35."""
        return f"{self.points // 100}.{self.points % 100:02d}"

    @property
    def reasons(self) -> bool:
        """Whether a reasoning model is preferred."""
        return self.points >= THRESHOLD


@cache
def _signs() -> tuple[tuple[str, int, re.Pattern[str]], ...]:
    words = (
        (
            "asks for steps",
            30,
            r"\b(prove|proof|derive|deduce|step[- ]by[- ]step|show (?:your|the) (?:work|steps)"
            r"|reason(?:ing)? through|analy[sz]e|explain why|trade-?offs?|plan (?:a|the|how))\b"
            r"|证明|推导|一步一步|逐步|分析",
        ),
        (
            "sets conditions",
            20,
            r"\bif\b.{1,200}?\b(?:then|how|what|which)\b|\b(?:at least|at most|exactly|such that"
            r"|given that|subject to|without (?:using|exceeding))\b|如果|至少|至多|满足",
        ),
        (
            "calculates",
            15,
            r"\d[\d.,]*\s*(?:[-+*/^=<>×÷%]|\b(?:times|plus|minus|per|percent|km|kg|hours?|minutes?"
            r"|dollars?)\b).{0,80}?\d",
        ),
        (
            "names mathematics or logic",
            15,
            r"\b(?:integral|derivative|equation|theorem|lemma|probabilit\w+|combinatori\w+|matri\w+"
            r"|satisfiab\w+|logic\w*|algorithm\w*|complexity|optimi[sz]\w+|prime numbers?)\b"
            r"|方程|定理|概率|积分|算法",
        ),
    )
    return tuple((name, points, re.compile(text, re.I | re.S)) for name, points, text in words)


def score_of(body: Any) -> Score:
    """The score of a chat request."""
    text = last_user_text(body.messages)[:READ]
    points, signs = 0, []
    for name, worth, pattern in _signs():
        if pattern.search(text):
            points += worth
            signs.append(name)
    if len(text) > LONG:
        points += 20 if len(text) >= VERY_LONG else 10
        signs.append("long")
    if body.reasoning_effort in ("medium", "high", "xhigh"):
        points += 60
        signs.append(f"reasoning_effort {body.reasoning_effort}")
    return Score(min(100, points), tuple(signs))


def last_user_text(messages: Any) -> str:
    """The text of the last user message."""
    for message in reversed(messages):
        if message.role == "user":
            content = message.content
            if isinstance(content, list):
                return "\n".join(part.text for part in content if hasattr(part, "text"))
            return content or ""
    return ""
