"""Where in a TOML text each key and element stands: tomllib parses but keeps no positions.

The text must already have parsed, so this scan only follows structure and never judges.
"""

from __future__ import annotations

Path = tuple["str | int", ...]

_BARE_END = ",]}#\n"


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.lines: dict[Path, int] = {(): 1}
        self.counts: dict[Path, int] = {}

    def run(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip(newlines=True):
            if self.text.startswith("[[", self.at):
                table = self._header("]]", rows=True)
            elif self.text[self.at] == "[":
                table = self._header("]", rows=False)
            else:
                self._pair(table)
        return self.lines

    def _skip(self, *, newlines: bool) -> bool:
        """Pass over blanks and comments (and line ends where asked); False at the end."""
        text = self.text
        while self.at < len(text):
            letter = text[self.at]
            if letter == "#":
                end = text.find("\n", self.at)
                self.at = len(text) if end < 0 else end
            elif letter == "\n" and newlines:
                self.line += 1
                self.at += 1
            elif letter in " \t\r":
                self.at += 1
            else:
                return True
        return False

    def _header(self, close: str, *, rows: bool) -> Path:
        self.at += len(close)
        keys = self._keys()
        self.at = self.text.find(close, self.at) + len(close)
        path: Path = ()
        for key in keys[:-1]:
            path = self._into((*path, key))
        path = (*path, keys[-1])
        if rows:
            index = self.counts[path] = self.counts.get(path, -1) + 1
            self.lines.setdefault(path, self.line)
            path = (*path, index)
        self.lines.setdefault(path, self.line)
        return path

    def _into(self, path: Path) -> Path:
        return (*path, self.counts[path]) if path in self.counts else path

    def _keys(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._skip(newlines=False)
            if self.text[self.at] in "\"'":
                start = self.at
                self._string()
                keys.append(_unquoted(self.text[start : self.at]))
            else:
                start = self.at
                while self.text[self.at] not in " \t.=]":
                    self.at += 1
                keys.append(self.text[start : self.at])
            self._skip(newlines=False)
            if self.text[self.at] != ".":
                return keys
            self.at += 1

    def _pair(self, table: Path) -> None:
        path = table
        for key in self._keys():
            path = (*path, key)
            self.lines.setdefault(path, self.line)
        self.at = self.text.index("=", self.at) + 1
        self._skip(newlines=False)
        self._value(path)

    def _value(self, path: Path) -> None:
        letter = self.text[self.at]
        if letter in "\"'":
            self._string()
        elif letter == "[":
            self._array(path)
        elif letter == "{":
            self._inline(path)
        else:
            while self.at < len(self.text) and self.text[self.at] not in _BARE_END:
                self.at += 1

    def _array(self, path: Path) -> None:
        self.at += 1
        index = 0
        while self._skip(newlines=True) and self.text[self.at] != "]":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self.lines.setdefault((*path, index), self.line)
            self._value((*path, index))
            index += 1
        self.at += 1

    def _inline(self, path: Path) -> None:
        self.at += 1
        while self._skip(newlines=True) and self.text[self.at] != "}":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._pair(path)
        self.at += 1

    def _string(self) -> None:
        quote = self.text[self.at]
        mark = quote * 3 if self.text.startswith(quote * 3, self.at) else quote
        self.at += len(mark)
        while not self.text.startswith(mark, self.at):
            letter = self.text[self.at]
            step = 2 if letter == "\\" and quote == '"' else 1
            self.line += self.text.count("\n", self.at, self.at + step)
            self.at += step
        self.at += len(mark)
        while len(mark) == 3 and self.text.startswith(quote, self.at):
            self.at += 1


def _unquoted(key: str) -> str:
    if "\\" not in key or key[0] == "'":
        return key[1:-1]
    import tomllib

    return str(tomllib.loads(f"key = {key}")["key"])


def positions(text: str) -> dict[Path, int]:
    """Return the 1-based line of each key path and array element of a parsable TOML `text`.

    A path is a tuple of keys and indexes, e.g. `("models", 0, "rates", "input")`.
    """
    return _Scanner(text.replace("\r\n", "\n")).run()


def line_of(lines: dict[Path, int], path: Path) -> int:
    """Return the line of `path`, else of its nearest ancestor that stands in the text."""
    while path not in lines:
        path = path[:-1]
    return lines[path]
