"""The program's entry point: the answers that need nothing come before anything is imported."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line of this process and return its exit code."""
    argv = sys.argv[1:]
    try:
        if os.environ.get("_NEXCTL_COMPLETE"):
            from nexctl.cli.complete import answer

            return _answer(answer(os.environ), 1)
        if not argv or (len(argv) == 1 and argv[0] in ("--help", "-h")):
            from nexctl.cli.roothelp import TEXT

            return _answer(TEXT, 1) if argv else _answer(TEXT, 2) or 2
        if len(argv) == 1 and argv[0] in ("--version", "-V"):
            from nexctl._version import __version__

            return _answer(f"nexctl {__version__}\n", 1)
        if None in (sys.stdin, sys.stdout, sys.stderr):
            _occupy_closed_streams()
        import gc

        gc.disable()
        from nexctl.cli.run import run

        code = run(argv)
        gc.freeze()
        return code
    except KeyboardInterrupt:
        return 130


def _occupy_closed_streams() -> None:
    """Keep a file that is opened later from becoming descriptor 0, 1 or 2 by accident."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:
        os.set_inheritable(descriptor, True)
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)


def _answer(text: str, descriptor: int) -> int:
    """Write `text` to standard output (1) or error (2); return 0, 1 where it failed, or 141."""
    stream = sys.stdout if descriptor == 1 else sys.stderr
    try:
        if stream is None:
            raise OSError("it is closed")
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        return 141
    except OSError as error:
        if sys.stderr is not None and descriptor == 1:
            reason = error.strerror or error
            sys.stderr.write(f"error: cannot write to standard output: {reason}\n")
        if stream is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
