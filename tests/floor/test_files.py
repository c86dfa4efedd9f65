"""A file is written whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nexctl.errors import UsageError
from nexctl.files import atomic_write, is_replaceable


def _write_half(path: str) -> None:
    with atomic_write(path) as stream:
        stream.write("half")
        1 / 0  # noqa: B018


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    file.write_text("old")
    with pytest.raises(ZeroDivisionError):
        _write_half(str(file))
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.csv"]


def test_a_full_disk_is_named_by_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    path = str(tmp_path / "out.csv")
    with pytest.raises(OSError, match="No space left") as caught, atomic_write(path) as stream:
        stream.write("x")
    assert caught.value.filename == path
    assert os.listdir(tmp_path) == []


def test_a_private_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    old = os.umask(0)
    try:
        with atomic_write(str(file), mode=0o600) as stream:
            stream.write("x")
    finally:
        os.umask(old)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_symbolic_link_is_replaced_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("keep")
    link = tmp_path / "link"
    link.symlink_to(target)
    with atomic_write(str(link)) as stream:
        stream.write("new")
    assert target.read_text() == "keep"
    assert not link.is_symlink()


def test_only_a_file_is_replaced(tmp_path: Path) -> None:
    """As root, `--out /dev/null` took the device away from everybody."""
    pipe, link, folder = tmp_path / "pipe", tmp_path / "link", tmp_path / "folder"
    os.mkfifo(pipe)
    link.symlink_to("/dev/null")
    folder.mkdir()
    for path in (pipe, link, folder, "/dev/stdout", "/dev/no-such-device", "/proc/self/fd/1"):
        assert not is_replaceable(str(path)), path
        with pytest.raises(UsageError, match="is no file"), atomic_write(str(path)):
            raise AssertionError
    assert sorted(os.listdir(tmp_path)) == ["folder", "link", "pipe"]
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    for name in ("new", "dangling"):
        assert is_replaceable(str(tmp_path / name))
