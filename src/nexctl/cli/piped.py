"""What can be read only once, standard input or a pipe, as a file that is read again and again."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nexctl.errors import NexctlError, UsageError

if TYPE_CHECKING:
    from nexctl.cli.base import App

STDIN = "standard input"


@contextlib.contextmanager
def on_disk(app: App, file: str) -> Iterator[str]:
    """The path of `file` itself; of "-" and of a pipe, the path of a copy that lasts meanwhile.

    UsageError for a closed standard input and for a device without an end. Errors that name the
    copy name what was given.
    """
    if file != "-" and (os.path.isfile(file) or not os.path.exists(file) or os.path.isdir(file)):
        yield file
        return
    import shutil
    import tempfile

    from nexctl.estimate.sources import refuse_device

    if file != "-":
        refuse_device(file, os.stat(file).st_mode)
    with contextlib.ExitStack() as stack:
        source = app.stdin_buffer if file == "-" else stack.enter_context(open(file, "rb"))
        if source is None:
            raise UsageError(
                "standard input is closed",
                hint="name a file, or pipe one in: nexctl ... - < FILE",
                code="no_stdin",
            )
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nexctl-"))
        # A copy whose name people know: readers name the file that they read.
        name = STDIN if file == "-" else os.path.basename(file)
        if file.startswith("/dev/"):
            name = "the pipe"
        place = os.path.join(folder, name)
        with open(place, "wb") as copy:
            shutil.copyfileobj(source, copy, 1024 * 1024)
        try:
            yield place
        except NexctlError as error:
            error.message = error.message.replace(place, name)
            raise
