"""Run the benchmarks: `sh dev bench [NAME [ARGUMENT...]]`, all of them without a name."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

NAMES = [m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if m.name[0] != "_"]


def main(arguments: list[str]) -> int:
    """Run one benchmark by name, or all."""
    if arguments and arguments[0] not in NAMES:
        print(f"no benchmark {arguments[0]}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for name in arguments[:1] or NAMES:
        print(f"== {name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main(arguments[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
