"""Numbers as users give them, as float64 arrays."""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError


def real_numbers(given: Any, what: str) -> NDArray[np.float64]:
    """An array of float64, of any shape, without a copy where it is one already.

    Bools, integers of any length and fractions are welcome, and are rounded once.

    Raises
    ------
    InputError
        If ``given`` is ragged, holds masked entries or anything that is no real number, or an
        integer beyond the range of float64. NaN and infinity pass.
    """
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise InputError(f"{what} must be real numbers in an array; got {error}") from error
    if np.ma.is_masked(given):
        raise InputError(f"{what} must be real numbers; some are masked: fill them first")
    if array.dtype == object and array.ndim and all(isinstance(x, Real) for x in array.flat):
        try:
            return array.astype(np.float64)
        except OverflowError as error:
            raise InputError(f"{what} must be within the range of float64: {error}") from error
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{what} must be real numbers in an array; got shape {array.shape}, {array.dtype}"
        )
    return array.astype(np.float64, copy=False)
