"""Foresee what will not fit, before it is spent."""

import os
import re
from pathlib import Path
from typing import Any

from .arrays import is_integer
from .errors import InputError, MemoryLimitError


def physical_memory() -> int | None:
    """Bytes of memory of the machine, None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def available_memory() -> int | None:
    """Bytes that can still be had, of the machine and of the container it may be.

    None where the system does not say.
    """
    found = [physical_memory()]
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            found.append(1024 * int(line.split()[1]))
    for limit, used in _CONTAINER:
        # A limit may be the word "max"; file pages are given back when asked for.
        allowed = [int(line) for line in _lines(limit) if line.strip().isdigit()]
        held = [int(line.split()[1]) for line in _lines(used) if line.split()[0] in _HELD]
        found += [max(0, one - max(held, default=0)) for one in allowed]
    return min((one for one in found if one is not None), default=None)


# Control groups of Linux, versions 2 and 1: the limit, and what is in use.
_CONTAINER = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.stat"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.stat"),
)
_HELD = ("anon", "total_rss")


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def check_memory(count: int, what: str, advice: str) -> None:
    """Refuse what takes more memory than the machine has left.

    Raises
    ------
    MemoryLimitError
        Saying how much ``what`` takes, how much there is, and the ``advice``.
    """
    physical = physical_memory()
    # What is next to nothing is not worth asking the system for.
    if physical is None or count <= physical >> 10:
        return
    limit = available_memory()
    if limit is not None and count > limit:
        raise MemoryLimitError(
            f"{what} takes {human_bytes(count)}; this machine has {human_bytes(physical)}, of "
            f"which {human_bytes(limit)} can be had. {advice}"
        )


def human_bytes(count: int) -> str:
    """A number of bytes for a message: ``2.0 GiB``."""
    if count >= 1 << 60:
        # As a power: with thousands of players the number itself would fill pages.
        return f"2**{count.bit_length() - 41} TiB"
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 1 << power:
            return (
                f"{(count * 10 >> power) / 10:.1f} {unit}"
                if power < 40
                else (f"{count >> power} {unit}")
            )
    return f"{count} bytes"


def human_count(count: int) -> str:
    """A number of things for a message, however large."""
    return str(count) if count < 10**12 else f"over 2**{count.bit_length() - 1}"


_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"KI": 1 << 10, "MI": 1 << 20, "GI": 1 << 30, "TI": 1 << 40}


def memory_bytes(given: Any) -> int:
    """Bytes from a number of them, or from text such as "1GB" or "512 MiB"."""
    if isinstance(given, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?I?)B?\s*", given.upper())
        if found is None or found[2] == "I":
            raise InputError(f"memory must be bytes, or text such as '1GB', not {given!r}")
        count = int(float(found[1]) * (_UNITS | _BINARY)[found[2]])
    elif not is_integer(given):
        raise TypeError(f"memory must be an integer or text, not {type(given).__name__}")
    else:
        count = int(given)
    if count < 10**6:
        raise InputError(f"memory is {given!r}; give at least 1MB")
    return count
