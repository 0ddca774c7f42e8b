"""A strict decoder of the part of UBJSON (draft 12) that tree libraries write.

Nothing is allocated before the bytes that it would come from are seen to be there, and there is
no recursion, so damaged input is an error and never a crash.
"""

import struct
from typing import Any

import numpy as np

from ...errors import ModelFileError

MAX_DEPTH = 64
INTEGERS = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q"}
FLOATS = {b"d": ">f", b"D": ">d"}
ARRAYS: dict[bytes, np.dtype[Any]] = {
    b"i": np.dtype(">i1"),
    b"U": np.dtype(">u1"),
    b"I": np.dtype(">i2"),
    b"l": np.dtype(">i4"),
    b"L": np.dtype(">i8"),
    b"d": np.dtype(">f4"),
    b"D": np.dtype(">f8"),
}
CONSTANTS = {b"T": True, b"F": False, b"Z": None}
PRIMITIVES = {marker: struct.Struct(form) for marker, form in (INTEGERS | FLOATS).items()}


class _Input:
    """The bytes and a position in them; reading past the end is an error."""

    def __init__(self, content: bytes):
        self.content = content
        self.position = 0

    def error(self, what: str) -> ModelFileError:
        return ModelFileError(f"damaged UBJSON at byte {self.position}: {what}")

    def peek(self) -> bytes:
        return self.content[self.position : self.position + 1]

    def take(self, size: int) -> bytes:
        self.skip(size)
        return self.content[self.position - size : self.position]

    def skip(self, size: int) -> None:
        if not 0 <= size <= len(self.content) - self.position:
            raise self.error(f"{size} bytes were expected, but the input ends before")
        self.position += size

    def number(self, marker: bytes) -> Any:
        form = PRIMITIVES[marker]
        self.skip(form.size)
        return form.unpack_from(self.content, self.position - form.size)[0]

    def length(self) -> int:
        marker = self.take(1)
        if marker not in INTEGERS:
            raise self.error("a length was expected")
        return int(self.number(marker))

    def text(self) -> str:
        try:
            return self.take(self.length()).decode()
        except UnicodeDecodeError as error:
            raise self.error("a text is not UTF-8") from error

    def typed_array(self) -> Any:
        kind = self.take(1)
        if kind not in ARRAYS or self.take(1) != b"#":
            raise self.error("an array of an unknown type")
        count = self.length()
        self.skip(count * ARRAYS[kind].itemsize if count >= 0 else -1)
        start = self.position - count * ARRAYS[kind].itemsize
        return np.frombuffer(self.content, ARRAYS[kind], count, start)


class _Open:
    """An array or object whose end has not been read; ``remaining`` counts down if it is known."""

    def __init__(self, container: Any, remaining: int | None):
        self.container = container
        self.remaining = remaining
        self.key = ""

    def add(self, value: Any) -> None:
        if isinstance(self.container, dict):
            self.container[self.key] = value
        else:
            self.container.append(value)
        if self.remaining is not None:
            self.remaining -= 1

    def ends(self, source: _Input) -> bool:
        if self.remaining is not None:
            return self.remaining == 0
        if source.peek() == (b"}" if isinstance(self.container, dict) else b"]"):
            source.skip(1)
            return True
        return False


def decode(content: bytes) -> Any:
    """Decode one value.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    dict, list, str, int, float, bool, None, or a read-only big-endian array for a typed array.

    Raises
    ------
    ModelFileError
        If the bytes are not exactly one value.
    """
    source = _Input(content)
    stack: list[_Open] = []
    while True:
        opened, value = _value(source)
        if opened is not None:
            if len(stack) == MAX_DEPTH:
                raise source.error(f"more than {MAX_DEPTH} levels")
            stack.append(opened)
        elif stack:
            stack[-1].add(value)
        while stack and stack[-1].ends(source):
            value = stack.pop().container
            if stack:
                stack[-1].add(value)
        if not stack:
            break
        if isinstance(stack[-1].container, dict):
            stack[-1].key = source.text()
    if source.position != len(content):
        raise source.error("more bytes follow the end of the value")
    return value


def _value(source: _Input) -> tuple[_Open | None, Any]:
    """Read a whole value, or the opening of a container."""
    marker = source.take(1)
    while marker == b"N":
        marker = source.take(1)
    if marker == b"{":
        return _Open({}, None), None
    if marker == b"[":
        if source.peek() == b"$":
            source.skip(1)
            return None, source.typed_array()
        if source.peek() != b"#":
            return _Open([], None), None
        source.skip(1)
        count = source.length()
        # Every element takes a byte at least.
        if not 0 <= count <= len(source.content) - source.position:
            raise source.error(f"an array of {count} values, but the input ends before")
        return _Open([], count), None
    if marker in PRIMITIVES:
        return None, source.number(marker)
    if marker == b"S":
        return None, source.text()
    if marker in CONSTANTS:
        return None, CONSTANTS[marker]
    raise source.error(f"unknown marker {marker!r}")
