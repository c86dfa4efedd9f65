"""Papers as PDF, by fpdf2. Nothing is fetched; everything printed comes from the paper itself.

The built-in fonts have Western letters only. For others the font of this machine is used that has
most of the paper's; a letter that it lacks is printed as a question mark, and the paper's JSON has
it right. Lines from right to left are put in order, their letters are not joined.
"""

from __future__ import annotations

import os
import unicodedata
from typing import TYPE_CHECKING, Any

from nexctl.errors import MissingExtra
from nexctl.safety.text import clean

if TYPE_CHECKING:
    from nexctl.wire.papers import Invoice, Party

TITLES = {"invoice": "Invoice", "credit_note": "Credit note", "void": "Void number"}
_FONTS = (
    "/usr/share/fonts/truetype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/System/Library/Fonts/Supplemental/Arial Unicode.ttf",
    "C:/Windows/Fonts/arial.ttf",
)
_WIDTHS = (92, 26, 34, 28)
_GREY = (110, 110, 110)


def rendered(paper: Invoice) -> bytes:
    """The PDF of a paper. MissingExtra where the library is not installed."""
    try:
        from fpdf import FPDF
        from fpdf.enums import XPos, YPos
    except ImportError:
        raise MissingExtra("a PDF", "pdf") from None
    from datetime import datetime

    class Page(FPDF):  # type: ignore[misc,unused-ignore]
        def footer(self) -> None:
            self.set_y(-15)
            self.set_font(self.face, size=8)
            self.set_text_color(*_GREY)
            self.cell(0, 5, f"{self.says(paper.number)}   page {self.page_no()} of {{nb}}")
            self.set_text_color(0, 0, 0)

        face = "helvetica"
        letters: frozenset[str] | None = None

        def says(self, text: str) -> str:
            safe = clean(text, keep_newlines=True)
            if self.letters is None:
                return safe.encode("latin-1", "replace").decode("latin-1")
            return "".join(c if c in self.letters or c == "\n" else "?" for c in safe)

        def block(self, width: int, height: int, text: str, **more: Any) -> None:
            """A text in lines of at most `width`, each read from its own side."""
            said = self.says(text)
            if any(unicodedata.bidirectional(c) in ("R", "AL") for c in said):
                from fpdf.bidi import BidiParagraph

                rows: Any = self.multi_cell(width, height, said, dry_run=True, output="LINES")
                said = "\n".join(BidiParagraph(row).get_reordered_string() for row in rows)
            self.multi_cell(width, height, said, align="L", **more)

    page = Page(format="A4")
    page.set_creation_date(datetime.fromisoformat(paper.issued_at.replace("Z", "+00:00")))
    page.set_title(f"{TITLES[paper.kind]} {paper.number}")
    page.set_creator("nexctl")
    page.set_auto_page_break(True, margin=20)
    _choose_font(page, paper)
    page.add_page()
    down: dict[str, Any] = {"new_x": XPos.LMARGIN, "new_y": YPos.NEXT}
    _head(page, paper, down)
    if paper.lines:
        _lines(page, paper, down)
    _notes(page, paper, down)
    return bytes(page.output())


def _choose_font(page: Any, paper: Invoice) -> None:
    texts = [line.text for line in paper.lines]
    for party in (paper.seller, paper.customer):
        if party is not None:
            texts += [text for text in _rows(party) if text]
    texts += [paper.tax_note or "", paper.purchase_order or "", paper.void_reason or ""]
    needed = frozenset("".join(texts)) - {"\n"}
    if all(letter < "\u0100" for letter in needed):
        return
    best: tuple[int, str, frozenset[str]] | None = None
    for path in _FONTS:
        if os.path.exists(path):
            letters = _letters(path)
            lacking = len(needed - letters)
            if best is None or lacking < best[0]:
                best = lacking, path, letters
            if not lacking:
                break
    if best is not None:
        page.add_font("paper", fname=best[1])
        page.add_font("paper", style="B", fname=best[1])
        page.face, page.letters = "paper", best[2]


def _letters(path: str) -> frozenset[str]:
    from fontTools.ttLib import TTFont  # type: ignore[import-untyped,unused-ignore]

    with TTFont(path, fontNumber=0, lazy=True) as font:
        return frozenset(map(chr, font.getBestCmap()))


def _head(page: Any, paper: Invoice, down: dict[str, Any]) -> None:
    page.set_font(page.face, style="B", size=20)
    page.cell(0, 10, TITLES[paper.kind], **down)
    if paper.sandbox:
        page.set_font(page.face, style="B", size=11)
        page.set_text_color(190, 30, 30)
        page.cell(0, 6, "PLAY MONEY - not a tax invoice, nothing was paid", **down)
        page.set_text_color(0, 0, 0)
    page.ln(2)
    facts = [
        ("Number", paper.number),
        ("Date", paper.issued_at[:10]),
        ("State", paper.state),
        ("Corrects", paper.corrects),
        ("Order", paper.subject if paper.subject and not paper.subject.startswith("fee:") else ""),
        ("Purchase order", paper.purchase_order),
        ("Paid", f"{(paper.paid_at or '')[:10]} by {paper.paid_by}" if paper.paid_at else ""),
        ("Reason", paper.void_reason),
    ]
    for name, value in facts:
        if value:
            page.set_font(page.face, style="B", size=10)
            page.cell(34, 6, name)
            page.set_font(page.face, size=10)
            page.block(0, 6, value, **down)
    page.ln(4)
    top = page.get_y()
    low = top
    for left, title, party in ((10, "Seller", paper.seller), (108, "Customer", paper.customer)):
        if party is not None:
            page.set_xy(left, top)
            _party(page, title, party, left)
            low = max(low, page.get_y())
    page.set_xy(10, low + 5)


def _party(page: Any, title: str, party: Party, left: int) -> None:
    page.set_font(page.face, style="B", size=10)
    page.cell(90, 6, title)
    page.set_font(page.face, size=10)
    page.set_y(page.get_y() + 6)
    for row in _rows(party):
        if row:
            page.set_x(left)
            page.block(90, 5, row)


def _rows(party: Party) -> list[str | None]:
    return [
        party.name,
        party.address,
        party.country,
        f"Tax number {party.tax_id}" if party.tax_id else None,
        party.id,
        party.tax_status,
        party.email,
    ]


def _lines(page: Any, paper: Invoice, down: dict[str, Any]) -> None:
    unit = paper.currency or ""
    page.set_font(page.face, style="B", size=10)
    page.set_fill_color(235, 235, 235)
    titles = ("", f"Net {unit}", "Tax", f"Gross {unit}")
    for width, title in zip(_WIDTHS, titles, strict=True):
        page.cell(width, 7, title, align="L" if not title else "R", fill=True)
    page.ln(8)
    page.set_font(page.face, size=10)
    for line in paper.lines:
        tax = _money(line.tax)
        if line.tax_percent:
            tax = f"{tax} ({line.tax_percent} %)"
        said = page.says(line.text)
        rows = page.multi_cell(_WIDTHS[0], 6, said, dry_run=True, output="LINES")
        if page.will_page_break(6 * min(len(rows), 30)):
            page.add_page()  # its amounts stand beside it, not on another page
        left, top = page.get_x(), page.get_y()
        page.block(_WIDTHS[0], 6, line.text)
        low = page.get_y()
        page.set_xy(left + _WIDTHS[0], top)
        for width, text in zip(
            _WIDTHS[1:], (_money(line.net), tax, _money(line.gross)), strict=True
        ):
            page.cell(width, 6, text, align="R")
        page.set_xy(left, max(low, top + 6) + 1)
    page.ln(2)
    sign = "to pay back" if paper.kind == "credit_note" else "total"
    rows = (("net", paper.net), ("tax", paper.tax), (sign, paper.total))
    for name, amount in rows:
        page.set_font(page.face, style="B" if name == rows[-1][0] else "", size=11)
        page.cell(sum(_WIDTHS[:3]), 7, f"{name.capitalize()} {unit}", align="R")
        page.cell(_WIDTHS[3], 7, _money(amount), align="R", **down)


def _notes(page: Any, paper: Invoice, down: dict[str, Any]) -> None:
    page.ln(6)
    page.set_font(page.face, size=9)
    for text in (paper.tax_note, *_policies(paper)):
        if text:
            page.block(0, 5, text, **down)


def _policies(paper: Invoice) -> list[str]:
    return [
        f"{name.replace('_', ' ').capitalize()}: version {said}"
        for name, said in paper.policies.items()
    ]


def _money(text: str | None) -> str:
    """An amount with at least two places."""
    if text is None:
        return ""
    whole, _, part = text.partition(".")
    return f"{whole}.{part.ljust(2, '0')}"
