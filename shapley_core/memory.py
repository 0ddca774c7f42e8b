"""Foresee what will not fit, before it is spent."""

import os

from .errors import MemoryLimitError


def physical_memory() -> int | None:
    """Bytes of memory of the machine, None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def check_memory(count: int, what: str, advice: str) -> None:
    """Refuse what takes more memory than the machine has.

    Raises
    ------
    MemoryLimitError
        Saying how much ``what`` takes, how much there is, and the ``advice``.
    """
    limit = physical_memory()
    if limit is not None and count > limit:
        raise MemoryLimitError(
            f"{what} takes {human_bytes(count)}; this machine has {human_bytes(limit)}. {advice}"
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
