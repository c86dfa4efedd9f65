"""A multipart form is cut the same way however its bytes come; pieces of files are sealed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexctl.server.batches.admission import cut
from nexctl.server.batches.forms import Form, Part
from nexctl.server.refusing import Refuse
from nexctl.server.sealing import MasterKey, SealBroken

KIND = "multipart/form-data; boundary=xyz"


def read(pieces: list[bytes]) -> list[tuple[Part, bytes]]:
    form, found = Form(KIND), []
    for piece in pieces:
        for event in form.feed(piece):
            if isinstance(event, Part):
                found.append((event, b""))
            else:
                found[-1] = (found[-1][0], found[-1][1] + event)
    assert form.ended
    return found


def written(parts: list[tuple[str, bytes]]) -> bytes:
    text = b""
    for name, body in parts:
        head = f'--xyz\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\n\r\n'
        text += head.encode() + body + b"\r\n"
    return text + b"--xyz--\r\n"


ALMOST = st.lists(
    st.sampled_from([b"\r\n", b"--", b"--xyz", b"\r\n--xy", b"z", b"a", b"\n", b"\x00"]),
    max_size=12,
).map(b"".join)


@settings(max_examples=40)
@given(
    st.lists(ALMOST.filter(lambda b: b"\r\n--xyz" not in b"\r\n" + b), min_size=1, max_size=4),
    st.lists(st.integers(1, 40), min_size=1, max_size=20),
)
def test_any_cut_of_the_bytes_reads_the_same(bodies: list[bytes], sizes: list[int]) -> None:
    whole = written([(f"n{i}", body) for i, body in enumerate(bodies)])
    pieces, at, turn = [], 0, 0
    while at < len(whole):
        size = sizes[turn % len(sizes)]
        pieces.append(whole[at : at + size])
        at, turn = at + size, turn + 1
    found = read(pieces)
    assert [body for _, body in found] == bodies
    assert [part.name for part, _ in found] == [f"n{i}" for i in range(len(bodies))]


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b""),
        (KIND, b"--xyzoops"),
        (KIND, b"x" * 20_000),
        (KIND, b"--xyz\r\n" + b"a: b\r\n" * 4000),
        (KIND, b"--xyz\r\ncontent-disposition: form-data\r\n\r\n"),
    ],
)
def test_what_is_no_form_is_refused(kind: str, raw: bytes) -> None:
    with pytest.raises(Refuse):
        list(Form(kind).feed(raw))


@given(st.binary(max_size=200), st.integers(1, 50), st.integers(1, 60))
def test_lines_stand_where_they_are_said_to_stand(raw: bytes, size: int, most: int) -> None:
    pieces = iter([raw[at : at + size] for at in range(0, len(raw), size)])
    rows = list(cut(pieces, most))
    expected = raw.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    assert [row[0] for row in rows] == list(range(1, len(expected) + 1))
    for (_, start, length, text), whole in zip(rows, expected, strict=True):
        if text is None:
            assert len(whole) > most
        else:
            assert raw[start : start + length] == text == whole.removesuffix(b"\r")


@given(st.binary(max_size=5000))
def test_a_piece_opens_where_it_belongs_and_nowhere_else(plain: bytes) -> None:
    key = MasterKey(b"m" * 32)
    sealed = key.seal_piece(plain, "file_a/0")
    assert key.unseal_piece(sealed, "file_a/0") == plain
    assert len(plain) < 16 or plain not in sealed
    for place, text in (("file_a/1", sealed), ("file_a/0", sealed[:-1] + bytes([sealed[-1] ^ 1]))):
        with pytest.raises(SealBroken):
            key.unseal_piece(text, place)
    with pytest.raises(SealBroken):
        MasterKey(b"n" * 32).unseal_piece(sealed, "file_a/0")
    with pytest.raises(SealBroken):
        key.unseal(sealed)
