"""When two prompts are near-duplicates: a local, exact and stated measure.

A prompt is normalised: Unicode NFKC, lower case, contractions written out, -ise as -ize,
punctuation and surplus blanks dropped. What must be equal is taken out of it: numbers, identifiers,
quotations and code as they are written, and the content words and signs in their order, that is
every word but the few of LIGHT. What is left to differ are light words, punctuation and blanks;
how far is measured by the cosine of the counts of words, word pairs and character triples. See
docs/explanation/semantic-cache.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import NamedTuple

LONGEST = 16_000

LIGHT = frozenset(
    (
        *("a", "an", "the", "please", "kindly", "hi", "hello", "hey", "thanks", "thank", "just"),
        *("simply", "actually", "basically", "so", "well", "okay", "ok", "um"),
    )
)
_LIGHT_CHARACTERS = frozenset("请呢啊吧嗯谢")
_CONTRACTIONS = (
    (r"\bcan't\b", "can not"),
    (r"\bcannot\b", "can not"),
    (r"\bwon't\b", "will not"),
    (r"n't\b", " not"),
    (r"\b(what|who|where|when|how|that|there|here|it|he|she)'s\b", r"\1 is"),
    (r"\b(i)'m\b", r"\1 am"),
    (r"'re\b", " are"),
    (r"'ve\b", " have"),
    (r"'ll\b", " will"),
)


class Prompt(NamedTuple):
    """A prompt made ready: its normal text, and what must be equal in another one."""

    text: str
    words: tuple[str, ...]
    fixed: tuple[str, ...]


@cache
def _fixed() -> re.Pattern[str]:
    # Code, quotations, addresses, anything with a digit, snake_case, camelCase, dotted or slashed.
    return re.compile(
        r"```.*?```|`[^`]*`|\"[^\"]*\"|“[^”]*”|«[^»]*»|「[^」]*」"
        r"|\w+://\S+|\S+@\S+|[-+]?[\w.,:/%$€£¥#-]*\d[\w.,:/%$€£¥#-]*"
        r"|\b\w*_\w*\b|\b[a-z]+[A-Z]\w*\b|\b\w+(?:[./\\:]\w+)+\b|[-+*/=<>^%$€£¥&|~]+",
        re.DOTALL,
    )


@cache
def _contractions() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern), words) for pattern, words in _CONTRACTIONS)


def prepared(text: str) -> Prompt:
    """A prompt in its normal form."""
    plain = unicodedata.normalize("NFKC", text).replace("’", "'")
    fixed = tuple(_fixed().findall(plain))
    low = plain.casefold()
    for pattern, words in _contractions():
        low = pattern.sub(words, low)
    found: list[str] = []
    for piece in _pieces(low):
        found += _split(piece)
    content = tuple(w for w in found if w not in LIGHT and w not in _LIGHT_CHARACTERS)
    return Prompt(" ".join(found), content, tuple(f.rstrip(".,:") or f for f in fixed))


# Punctuation that is no mark of a sentence: it says as much as a word does.
_SIGNS = frozenset("#%&*-/@\\§¶†‡‰‱′″‴※⁄")


def _pieces(text: str) -> Iterator[str]:
    """Words, with the marks that belong to their letters, and signs, each at its place."""
    word = ""
    for at, letter in enumerate(text):
        kind = unicodedata.category(letter)[0]
        if letter.isalnum() or kind == "M":
            word += letter
            continue
        if word:
            yield word
            word = ""
        if kind == "S" or letter in _SIGNS or (letter in ".!" and _begins(text, at)):
            yield letter
    if word:
        yield word


def _begins(text: str, at: int) -> bool:
    """Whether a character stands before a word and after none, as in ".NET" or "!done"."""
    return text[at + 1 : at + 2].isalnum() and not (at and text[at - 1].isalnum())


def _split(word: str) -> list[str]:
    """A word; scripts that write no blanks come apart into characters."""
    if word.isascii():
        for end, other in (("ise", "ize"), ("ised", "ized"), ("ising", "izing"), ("yse", "yze")):
            if len(word) > len(end) + 3 and word.endswith(end):
                return [word[: -len(end)] + other]
        return [word]
    if any("\u2e80" <= letter <= "\u9fff" or "\uac00" <= letter <= "\ud7af" for letter in word):
        return list(word)
    return [word]


def features(text: str) -> Counter[str]:
    """Counts of words, word pairs and character triples of a normal text."""
    words = text.split(" ")
    found = Counter(words)
    found.update(f"{one} {two}" for one, two in pairwise(words))
    found.update(text[at : at + 3] for at in range(len(text) - 2))
    return found


def alike(one: Counter[str], two: Counter[str], threshold: str) -> bool:
    """Whether the cosine of two counts reaches a threshold like "0.95"; exact, in integers."""
    if one == two:
        return True
    if len(two) < len(one):
        one, two = two, one
    dot = sum(count * two[name] for name, count in one.items() if name in two)
    lengths: int = sum(c * c for c in one.values()) * sum(c * c for c in two.values())
    whole, _, part = threshold.partition(".")
    top, bottom = int(whole + part), 10 ** len(part)
    return bool(dot * dot * bottom * bottom >= top * top * lengths)
