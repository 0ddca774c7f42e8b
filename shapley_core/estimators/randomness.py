"""What ``random_state`` may be, and the number it is turned into."""

import secrets
from typing import Any

import numpy as np

from ..arrays import check_integer
from ..errors import InputError


def seed_of(random_state: Any) -> int:
    """The seed, 0 to 2**64 - 1, that a ``random_state`` stands for.

    Parameters
    ----------
    random_state : int, numpy Generator or None
        The seed itself; or what one integer is drawn from; or None for a fresh seed from the
        operating system.
    """
    if random_state is None:
        return secrets.randbits(64)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(0, 1 << 64, dtype=np.uint64))
    if not hasattr(random_state, "__index__"):
        raise TypeError(
            "random_state must be an integer, a numpy Generator (numpy.random.default_rng(...)) "
            f"or None for a different result each time, not {type(random_state).__name__}"
        )
    seed = check_integer(random_state, "random_state")
    if not 0 <= seed < 1 << 64:
        raise InputError(f"random_state must be 0 to 2**64 - 1, not {seed}")
    return seed
