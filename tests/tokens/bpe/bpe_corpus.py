"""Documents to hold tokenizers against each other: what any Debian and Python machine has, and
generated text with fixed seeds. Each document is (kind, text)."""

from __future__ import annotations

import gettext
import glob
import gzip
import itertools
import json
import os
import random
import sys
import sysconfig
from collections.abc import Iterator

Document = tuple[str, str]

SPECIAL = [
    "<|endoftext|>", "<|endofprompt|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>",
    "<|im_start|>", "<|im_end|>", "<|im_start|>user\n", "<tool_call>", "</tool_call>",
    "<|vision_start|>", "<|file_sep|>", "<|startoftext|>", "<|end|>", "[INST]", "<s>", "</s>",
]  # fmt: skip
SPACES = [
    " ", "  ", "   ", "\t", "\n", "\r\n", "\r", "\n\n", " \n", "\n ", "\t\n\t", "\x0b", "\x0c",
    "\x1c", "\x1f", "\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u2029", "\u202f", "\u3000",
    "\u200b", "\ufeff", "\u180e", " " * 17, "\n" * 9, "\t" * 11, " \u3000\t",
]  # fmt: skip
ENDINGS = ["'s", "'S", "'t", "'RE", "'ve", "'m", "'LL", "'d", "'ſ", "'x", "’s", "''s", "'", "'\n"]
SCRIPTS = [
    "hello", "World", "HTTPServer", "iPhone", "naïve", "STRASSE", "straße", "Ǆ", "ǅenan", "ŉ",
    "привет", "МИР", "ελληνικά", "Ὀδυσσεύς", "שלום",
    "مرحبا بالعالم", "نمی\u200cدانم", "हिन्दी में",
    "বাংলা", "தமிழ்", "ไทยภาษา", "ខ្មែរ", "မြန်မာ",
    "ქართული", "Ⴀ", "አማርኛ", "中文字符", "彩票", "漢字かな交じり文",
    "カタカナー", "ﾊﾝｶｸ", "한국어", "각", "𠮷野家", "𝒳𝔘", "ǰ̣̌",
    "e\u0301", "\u0301", "a\u0323\u0302",
    "\u0344", "\u0958", "\u212b", "\u2126", "ﬁ", "\ufb1d", "𝅗𝅥", "\u1e9b\u0323", "\uac00\u11a8",
    "\u1100\u1161\u11a8", "😀", "👩‍👩‍👧‍👦", "🇩🇪", "❤️", "🫨",
    "①②", "Ⅷ", "٣٤٥", "१२३", "½", "𝟘𝟙", "ªº",
    "ʰʱ", "々", "〆", "ー", "゛", "\U0001e900\U0001e922",
    "\U00011f04\U00011f41", "\U000105d2\u0307",
    "\u0897x\u0301", "a\u0898\u0323", "q\u07fd\u0301", "\U0002ebf0", "\U0001ccd6", "\U00016d63",
    "\u1c89\u1c8a", "\ua7cb\ua7cc", "\U00010940", "\u088f", "\ua7d2", "\U0001fa8e",
]  # fmt: skip
DIGITS = ["1", "12", "123", "1234", "1234567890", "3.14", "1,000,000", "0x1F", "1e-9", "٣٤", "1²"]
MARKS = [
    "!", "?!", "...", "…", "—", "--", "---", "====", "***",
    "//", "/*", "*/", "/", "\\n", "#{", "}}",
    "();", "->", "=>", "<div>", "</div>", "&amp;", "@x",
    "$1", "€", "£", "™", "_", "__init__", "`", "~",
    "、", "。", "「", "」", "！", "：", "\x00", "\x7f", "\u200d",
    "\ufffd", "\ue000", ".\n", "!\r\n\n", ".\n/",
    "//\n/\n", "-\n ", "-\n\n  x",
]  # fmt: skip
POOLS = [SPACES, ENDINGS, SCRIPTS, SCRIPTS, DIGITS, MARKS, SPECIAL]


def real_files() -> list[str]:
    """Paths of text on this machine, the same list in the same order every time."""
    stdlib = sysconfig.get_path("stdlib")
    patterns = [
        f"{stdlib}/*.py", f"{stdlib}/*/*.py", f"{stdlib}/test/cjkencodings/*utf8*",
        f"{sysconfig.get_path('purelib')}/*/*.py", f"{sysconfig.get_path('purelib')}/**/*.json",
        "/usr/share/doc/*/*", "/usr/share/man/man[1-8]/*", "/usr/share/man/*/man[1-8]/*",
        "/usr/share/vim/vim*/tutor/*utf-8", "/usr/share/i18n/locales/*", "/usr/include/*.h",
        "/usr/share/perl/*/*.pm", "/usr/share/common-licenses/*", "/usr/share/zoneinfo/*.tab",
        "/usr/share/locale/*/LC_MESSAGES/*.mo",
    ]  # fmt: skip
    found: list[str] = []
    for pattern in patterns:
        found += sorted(glob.glob(pattern, recursive="**" in pattern))
    return [path for path in found if os.path.isfile(path)]


def read(path: str) -> str:
    """A file's text; "" where it has none in UTF-8."""
    try:
        if path.endswith(".mo"):
            with open(path, "rb") as stream:
                catalog = gettext.GNUTranslations(stream)._catalog  # type: ignore[attr-defined]
            return "\n".join(value for value in catalog.values() if isinstance(value, str))
        opener = gzip.open if path.endswith(".gz") else open
        with opener(path, "rb") as stream:
            return stream.read(1 << 21).decode()
    except (OSError, UnicodeError, ValueError, EOFError):
        return ""


def real(seed: int = 1) -> Iterator[Document]:
    """Slices of real text, cut anywhere: prose and code in the scripts this machine has."""
    rng = random.Random(seed)
    paths = real_files()
    rng.shuffle(paths)
    for path in paths:
        text = read(path)
        # No more of one file than of many: thirty slices.
        for _ in range(min(30, 1 + len(text) // 3000)):
            start = rng.randrange(max(1, len(text)))
            part = text[start : start + rng.choice((60, 400, 1500, 4000))]
            if part:
                yield "real", part


def mixed(seed: int = 2) -> Iterator[Document]:
    """Fragments of every kind in random order."""
    rng = random.Random(seed)
    while True:
        pools = rng.sample(POOLS, rng.randint(1, len(POOLS)))
        yield (
            "mixed",
            "".join(rng.choice(rng.choice(pools)) for _ in range(rng.choice((3, 10, 40, 120)))),
        )


def codes() -> Iterator[Document]:
    """Every code point, alone and beside letters, digits, marks, spaces and an apostrophe."""
    characters = (chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF)
    while part := "".join(itertools.islice(characters, 48)):
        yield "codes", "".join(f"a{c}b {c}{c}1{c}'{c}s\n{c}\u0301A{c}. {c}\u0323-" for c in part)


def scattered(seed: int = 3) -> Iterator[Document]:
    """Code points at random: from one block, from all of Unicode, from those with marks."""
    rng = random.Random(seed)
    tops = [0x80, 0x250, 0x600, 0x1000, 0x3000, 0xA000, 0x10000, 0x20000, 0x110000]
    while True:
        start = rng.choice((0, 0, 0x300, 0x900, 0x3040, 0x4E00, 0xAC00, 0x1F300, 0x1E900))
        stop = rng.choice((start + 256, rng.choice(tops), 0x110000))
        drawn = (rng.randrange(min(start, stop - 1), stop) for _ in range(rng.choice((8, 60))))
        yield "scattered", "".join(chr(c) for c in drawn if not 0xD800 <= c <= 0xDFFF)


def spaces(seed: int = 4) -> Iterator[Document]:
    """Runs of white space of many lengths and makes, between things of every kind."""
    rng = random.Random(seed)
    while True:
        parts = []
        for _ in range(rng.randint(1, 8)):
            some = rng.sample(SPACES, rng.randint(1, 3))
            parts += [rng.choice(some) for _ in range(rng.choice((1, 2, 5, 30)))]
            parts.append(rng.choice(rng.choice(POOLS)) * rng.randint(0, 2))
        yield "spaces", "".join(parts)


def words(seed: int = 5) -> Iterator[Document]:
    """Long words: random letters, base64, one letter, few letters, Han without an end, rules."""
    rng = random.Random(seed)
    alphabets = [
        "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "ab", "ACGT", "a", "Z", "é",
        "ABCDEFabcdef0123456789", "-", "=", "-=", ".", "的",
        "".join(map(chr, range(0x4E00, 0x4F00))),
        "".join(map(chr, range(0x3041, 0x3090))),
        "".join(map(chr, range(0xE01, 0xE3A))), "0123456789",
        "абвгд", "😀", " ", "\t", "\u3000", "\n", " \n",
        "/", "\n/", "ſs'", "ＡＢａｂ", "aA", "中A", "~!@#",
    ]  # fmt: skip
    while True:
        letters = rng.choice(alphabets)
        size = rng.choice((20, 100, 260, 500, 1200, 3000))
        yield "words", rng.choice(("", "x ", "1")) + "".join(rng.choices(letters, k=size))


def data(seed: int = 6) -> Iterator[Document]:
    """JSON as requests have it."""
    rng = random.Random(seed)
    text = mixed(seed)
    while True:
        messages = [
            {"role": rng.choice(("user", "system", "assistant")), "content": next(text)[1]}
            for _ in range(rng.randint(1, 4))
        ]
        yield (
            "json",
            json.dumps(
                {"model": "nex-pro", "messages": messages, "n": rng.random()},
                ensure_ascii=rng.random() < 0.5,
                indent=rng.choice((None, 2)),
            ),
        )


def documents(count: int, *, all_codes: bool = False) -> Iterator[Document]:
    """`count` documents of all kinds by turns; with `all_codes` every code point besides."""
    kinds = [real(), mixed(), spaces(), scattered(), words(), data(), mixed(7), real(8)]
    if not all_codes:
        every = list(codes())
        kinds.append(iter(random.Random(9).sample(every, len(every))))
    else:
        yield from codes()
    for _ in range(count):
        while kinds:
            kind = kinds.pop(0)
            document = next(kind, None)
            if document is not None:
                kinds.append(kind)
                yield document
                break


if __name__ == "__main__":
    sizes = [len(text.encode()) for _, text in documents(20_000)]
    print(len(sizes), "documents,", sum(sizes), "bytes", file=sys.stderr)
