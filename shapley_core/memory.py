"""Foresee what will not fit, before it is spent."""

import os

from .errors import MemoryLimitError


def physical_memory() -> int | None:
    """Bytes of memory of the machine, None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def check_memory(n_bytes: int, what: str, advice: str) -> None:
    """Refuse what takes more memory than the machine has.

    Raises
    ------
    MemoryLimitError
        Saying how much ``what`` takes, how much there is, and the ``advice``.
    """
    limit = physical_memory()
    if limit is not None and n_bytes > limit:
        raise MemoryLimitError(
            f"{what} would take {n_bytes / 2**30:,.1f} GiB; this machine has "
            f"{limit / 2**30:,.1f} GiB: {advice}"
        )
