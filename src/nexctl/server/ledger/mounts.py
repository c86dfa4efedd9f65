"""Is a file on a network file system? WAL needs shared memory, which those do not give."""

from __future__ import annotations

import os
import re

_NETWORK = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afpfs", "webdav", "davfs", "9p"),
        *("afs", "ceph", "coda", "gfs", "gfs2", "glusterfs", "lustre", "ncpfs", "ocfs2", "gpfs"),
        *("orangefs", "pvfs2", "beegfs", "vboxsf", "prl_fs"),
    )
)
_MOUNTS = "/proc/self/mountinfo"


def network_kind(path: str, mounts: str = _MOUNTS) -> str | None:
    """The network file system that `path` (existing or to be made) lies on, else None.

    Knows Linux's mount table; elsewhere the answer is None.
    """
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return None
    place = os.path.realpath(path)
    best, kind = -1, ""
    for line in lines:
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) < 5 or not right:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), fields[4])
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:  # the later of two on one point lies on top
            best, kind = len(point), right.split(" ", 1)[0]
    plain = kind.removeprefix("fuse.")
    if plain in _NETWORK or plain in ("sshfs", "s3fs", "rclone", "gcsfuse", "goofys"):
        return kind
    return None
