"""The five systems in the five units, their numbers as this test reads them from their pages."""

from __future__ import annotations

from pathlib import Path

from nexctl.pricing import books
from tests.server.operator_kit import CREDIT, put
from tests.server.server_kit import Rig
from tests.systems.month_sold import Sold

# nextoken.biz/pricing.html: retail per 1M; 5 % near-duplicates; batch 30 % off; Pro 1 %, Business
# 2.5 %; the shares of cached input are the blog's.
NEXTOKEN = Sold(
    name="nextoken",
    unit="USD",
    plan="business",
    rates={
        "nex-pro": {"input": "0.10", "output": "0.40"},
        "nex-reasoning": {"input": "1.20", "output": "4.80"},
        "gpt-4o": {"input": "2.60", "cached_input": "1.30", "output": "10.40"},
        "claude-sonnet-4": {"input": "3.00", "cached_input": "0.30", "output": "15.00"},
        "gemini-2.5-flash": {"input": "0.075", "cached_input": "0.01875", "output": "0.30"},
        "o1": {"input": "16.20", "cached_input": "8.10", "output": "64.80"},
        "nex-embed-zh": {"input": "0.01"},
    },
    batch="0.70",
    semantic="0.05",
    # Above 50,000 it is negotiated: the last published percent, until the operator sets one.
    tiers=(
        *(("0", "0", "developer"), ("500", "1", "pro"), ("5000", "2.5", "business")),
        ("50000", "2.5", "enterprise"),
    ),
    embeds="nex-embed-zh",
    costly="o1",
    amounts=("50", "25.01", "1000", "9000"),
    loyalty=("1000", "8"),
    fees={"business": "99", "enterprise": "249.99"},
    fee_tax="9",
    included={"business": "30"},
)

# gpt-55-token-relay.vercel.app/pricing: input x 1 + output x 1 + cached read x 0.1, cached beside.
NEXRELAY = Sold(
    name="nexrelay",
    unit="credits",
    scale=3,
    per=1,
    rates={
        name: {"input": "1", "output": "1", "cached_input": "0.1"}
        for name in ("gpt-5.2", "gpt-5.3", "gpt-5.4", "gpt-5.5")
    },
    beside=True,
    amounts=("9", "29", "99"),
    credits="1000000",
)


def split(credits: str, into: str, out: str) -> dict[str, str]:
    """The page prints what 2,000 + 2,000 tokens cost; the vendor's list prices divide it."""
    from fractions import Fraction

    both = Fraction(credits) / 2000 * 1_000_000
    parts = Fraction(into), Fraction(out)
    shares = [both * part / sum(parts) for part in parts]
    return {"input": str(shares[0]), "output": str(shares[1])}


# docs.nexu.io/guide/model-pricing: credits of a conversation; its rewards come by tasks.
NEXU = Sold(
    name="nexu",
    unit="credits",
    rates={
        "deepseek-v3.2": split("0.13", "0.2288", "0.3432"),
        "kimi-k2.5": split("0.42", "0.60", "3.00"),
        "glm-5": split("0.60", "1.00", "3.20"),
        "gemini-3-flash-preview": split("0.70", "0.50", "3.00"),
        "gpt-5.4-mini": split("1.05", "0.75", "4.50"),
    },
    claims=("github_star", "social_share_x", "social_share_reddit", "mobile_share"),
)

# deeptoken.app docs: credits = model ratio x completion ratio x tokens, ratios by its operator;
# its pricing page sells by the image, the video and the GPU second too.
RATIOS = """
[[models]]
id = "gpt-4.1-mini"
context = 128000
ratios = { model = "0.075", completion = "4", cached = "0.5" }

[[models]]
id = "gpt-4o"
context = 200000
ratios = { model = "1.25", completion = "4.33", cached = "0.1" }

[[models]]
id = "text-embedding-3-small"
kind = "embedding"
context = 8000
rates = { input = { price = "0.01", per = 1 }, output = "not_applicable" }

[[models]]
id = "picture"
kind = "image"
[models.rates]
image = { price = "20000.5", per = 1, unit = "image" }
request = { price = "500", per = 1, unit = "request" }

[[models]]
id = "film"
kind = "video"
[models.rates]
video = { price = "1000", per = 1, unit = "video" }
gpu_second = { price = "333.3333", per = 1, unit = "gpu_second" }
"""


def ratio_book(folder: Path) -> Path:
    """DeepToken's rules with imported ratios for its grid of examples, its months in Singapore."""
    text = (Path(books.__file__).parent / "books" / "deeptoken.toml").read_text()
    head, _, rest = text.partition("[[models]]")
    rules = rest[rest.index("[topup]") :]
    for old, new in (
        ('unit = "USD"\nunit_kind = "currency"\nscale = 9', 'unit = "credits"\n'
         'unit_kind = "credit"\nscale = 6\n'
         'credit = { amount = "1", currency = "USD", per = "500000", said = "ours" }'),
        ('default_model = "gpt-4.1-mini"', 'default_model = "gpt-4.1-mini"'),
        ('month_zone = { value = "UTC"', 'month_zone = { value = "Asia/Singapore"'),
    ):  # fmt: skip
        assert old in head, old
        head = head.replace(old, new)
    file = folder / "ratios.toml"
    file.write_text(head + RATIOS + "\n" + rules)
    return file


RATIO = Sold(
    name="deeptoken",
    unit="credits",
    scale=6,
    per=1,
    zone="Asia/Singapore",
    book="ratios",
    rates={
        "gpt-4.1-mini": {"input": "0.075", "output": "0.3", "cached_input": "0.0375"},
        "gpt-4o": {"input": "1.25", "output": "5.4125", "cached_input": "0.125"},
        "text-embedding-3-small": {"input": "0.01"},
        "picture": {"image": "20000.5", "request": "500"},
        "film": {"video": "1000", "gpu_second": "333.3333"},
    },
    agreed="agreed",
    embeds="text-embedding-3-small",
    amounts=("10", "50", "200"),
    credits="500000",
)


def tokenok_opens(rig: Rig) -> None:
    """Nothing is published: prices, and what a credit costs, are the operator's."""
    got = put(
        rig,
        {
            "gpt-4o": {"input": "287.5", "output": "1150", "cached_input": "143.75"},
            "gpt-4.1-mini": {"input": "46", "output": "184.000001"},
        },
        credit=CREDIT,
    )
    assert got.status == 200, got


TOKENOK = Sold(
    name="tokenok",
    unit="CREDITS",
    rates={
        "gpt-4o": {"input": "287.5", "output": "1150", "cached_input": "143.75"},
        "gpt-4.1-mini": {"input": "46", "output": "184.000001"},
    },
    amounts=("10", "33.33", "100"),
    credits="100",
    tax="9",
    prepare=tokenok_opens,
)

SYSTEMS = {
    "USD": NEXTOKEN,
    "credits x 1": NEXRELAY,
    "credits by relative rate": NEXU,
    "ratio import": RATIO,
    "CREDITS": TOKENOK,
}
