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

    def take(self) -> bytes:
        self.position += 1
        if self.position > len(self.content):
            raise self.error("more was expected, but the input ends before")
        return self.content[self.position - 1 : self.position]

    def skip(self, size: int) -> int:
        """Pass over so many bytes; where they began."""
        start = self.position
        if not 0 <= size <= len(self.content) - start:
            raise self.error(f"{size} bytes were expected, but the input ends before")
        self.position = start + size
        return start

    def number(self, marker: bytes) -> Any:
        form = PRIMITIVES[marker]
        return form.unpack_from(self.content, self.skip(form.size))[0]

    def length(self) -> int:
        # Those of eight bytes are by far the most.
        start = self.position
        if self.content[start : start + 1] == b"L" and start + 9 <= len(self.content):
            self.position = start + 9
            return int.from_bytes(self.content[start + 1 : start + 9], "big", signed=True)
        marker = self.take()
        if marker not in INTEGERS:
            raise self.error("a length was expected")
        return int(self.number(marker))

    def text(self) -> str:
        size = self.length()
        start = self.skip(size)
        try:
            return self.content[start : start + size].decode()
        except UnicodeDecodeError as error:
            raise self.error("a text is not UTF-8") from error

    def typed_array(self) -> Any:
        kind = ARRAYS.get(self.take())
        if kind is None or self.take() != b"#":
            raise self.error("an array of an unknown type")
        count = self.length()
        start = self.skip(count * kind.itemsize)
        return np.frombuffer(self.content, kind, count, start)

    def arrays(self, members: dict[str, Any]) -> None:
        """Read the typed arrays that come next in an object: most of a model, so in few steps.

        Whatever is not as usual is left to be read, or refused, as any other member.
        """
        content, at = self.content, self.position
        while content[at : at + 1] == b"L":
            start = at + 9
            stop = start + int.from_bytes(content[at + 1 : start], "big")
            head = content[stop : stop + 5]
            kind = ARRAYS.get(head[2:3])
            if kind is None or head[:2] != b"[$" or head[3:] != b"#L":
                break
            first = stop + 13
            count = int.from_bytes(content[stop + 5 : first], "big")
            last = first + count * kind.itemsize
            key = content[start:stop]
            if last > len(content) or not key.isascii():
                break
            members[key.decode()] = np.frombuffer(content, kind, count, first)
            at = last
        self.position = at


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
    outer: list[tuple[Any, int, str]] = []
    # The innermost container whose end has not been read, how many values are still to come, below
    # zero where a marker says it, and the key of the next one.
    inner: Any = None
    remaining, key = 0, ""
    while True:
        value, inside = _value(source)
        if inside:
            if len(outer) == MAX_DEPTH:
                raise source.error(f"more than {MAX_DEPTH} levels")
            outer.append((inner, remaining, key))
            inner, remaining = value, inside
        else:
            _add(inner, key, value)
            remaining -= 1
        if type(inner) is dict:
            source.arrays(inner)
        while outer and _ends(source, inner, remaining):
            value = inner
            inner, remaining, key = outer.pop()
            _add(inner, key, value)
            remaining -= 1
        if not outer:
            break
        if type(inner) is dict:
            key = source.text()
    if source.position != len(content):
        raise source.error("more bytes follow the end of the value")
    return value


def _add(container: Any, key: str, value: Any) -> None:
    if type(container) is dict:
        container[key] = value
    elif container is not None:
        container.append(value)


def _ends(source: _Input, container: Any, remaining: int) -> bool:
    if remaining >= 0:
        return remaining == 0
    if source.peek() == (b"}" if type(container) is dict else b"]"):
        source.position += 1
        return True
    return False


def _value(source: _Input) -> tuple[Any, int]:
    """Read a whole value and 0, or the opening of a container and how many values it will have."""
    marker = source.take()
    while marker == b"N":
        marker = source.take()
    if marker == b"[":
        after = source.peek()
        if after == b"$":
            source.position += 1
            return source.typed_array(), 0
        if after != b"#":
            return [], -1
        source.position += 1
        count = source.length()
        # Every element takes a byte at least.
        if not 0 <= count <= len(source.content) - source.position:
            raise source.error(f"an array of {count} values, but the input ends before")
        return [], count
    if marker == b"S":
        return source.text(), 0
    if marker == b"{":
        return {}, -1
    if marker in PRIMITIVES:
        return source.number(marker), 0
    if marker in CONSTANTS:
        return CONSTANTS[marker], 0
    raise source.error(f"unknown marker {marker!r}")
