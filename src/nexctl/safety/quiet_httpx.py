"""httpx without its command line: `from nexctl.safety.quiet_httpx import httpx`.

`import httpx` imports its command line, and with it rich, click and pygments, where those are
installed. Nothing here needs them, and they double the time that the import takes.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

__all__ = ["httpx"]

if TYPE_CHECKING:
    import httpx
else:
    # httpx tries that import and does without where it fails.
    _hidden = "httpx" not in sys.modules and "httpx._main" not in sys.modules
    if _hidden:
        sys.modules["httpx._main"] = None
    try:
        import httpx
    finally:
        if _hidden:
            del sys.modules["httpx._main"]
