"""Numbers as users give them, checked."""

from collections.abc import Container, Iterable, Sequence
from numbers import Real
from operator import index as as_int
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

# Floats from here on may be integers that were rounded: above, not every integer is a float64.
MOST_EXACT = 2.0**53


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
    # What a longer float holds beyond float64 becomes infinite, which callers refuse.
    with np.errstate(over="ignore"):
        return array.astype(np.float64, copy=False)


def rounded(given: NDArray[Any], floats: NDArray[Any]) -> NDArray[np.bool_]:
    """Where integers have become floats that are other numbers: beyond 2**53, of float64."""
    if given.dtype.kind not in "iu" or floats.dtype.kind != "f":
        return np.zeros(given.shape, np.bool_)
    # A float beyond the integers' type becomes anything there, also what was given.
    beyond = floats >= 2.0 ** (8 * given.dtype.itemsize - (given.dtype.kind == "i"))
    with np.errstate(invalid="ignore"):
        found: NDArray[np.bool_] = beyond | (floats.astype(given.dtype) != given)
    return found


def is_integer(value: Any) -> bool:
    """Whether something is a whole number, of Python or numpy, and no bool."""
    if isinstance(value, bool | np.bool_):
        return False
    try:
        as_int(value)
    except TypeError:
        # Every array, and a class such as int, has an ``__index__``, but few can answer.
        return False
    return True


def is_number(value: Any) -> bool:
    """Whether something is one real number, of Python or numpy, and no bool."""
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def check_number(value: Any, what: str) -> None:
    """A TypeError if an argument is no real number, or a bool."""
    if not is_number(value):
        raise TypeError(f"{what} must be a number, not {type(value).__name__}")


def is_listed(given: Any) -> bool:
    """Whether something can be gone through one by one, as a single number or text can not."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        return False
    return np.ndim(given) > 0 if isinstance(given, np.ndarray) else True


def is_one_of(given: Any, names: Container[str]) -> bool:
    """Whether something is a text, one of ``names``; arrays and tables cannot be compared so."""
    return isinstance(given, str) and given in names


def check_integer(value: Any, what: str, least: int | None = None) -> int:
    """An integer argument as an int; a TypeError if it is none, as a bool, or an InputError."""
    if not is_integer(value):
        raise TypeError(f"{what} must be an integer, not {type(value).__name__}")
    checked = int(as_int(value))
    if least is not None and checked < least:
        raise InputError(f"{what} must be at least {least}, not {checked}")
    return checked


def known_outputs(names: Sequence[str] | None) -> str:
    """The end of a message about an output: which there are, if they have names."""
    return "" if names is None else f"; outputs are {', '.join(names)}"


def output_number(output: Any, names: Sequence[str] | None, n_outputs: int) -> int:
    """The number of one of so many outputs, by its number or name; InputError if there is none."""
    if isinstance(output, str):
        if names is None or output not in names:
            raise InputError(f"no output is named {output!r}{known_outputs(names)}")
        return list(names).index(output)
    number = check_integer(output, "an output without a name")
    if not 0 <= number < n_outputs:
        raise InputError(f"output {number} is out of range: there are {n_outputs}")
    return number


def cast_times(given: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Times, or lengths of time, in another unit; those that have no place there are missing."""

    def fits(one: Any) -> bool:
        try:
            one.astype(dtype)
        except OverflowError:
            return False
        return True

    try:
        made = given.astype(dtype)
    except OverflowError:
        # Of numpy 2.5 on; before, times far from now came out as any other.
        there = np.array([fits(one) for one in given.flat]).reshape(given.shape)
        made = np.full(given.shape, "NaT", dtype)
        made[there] = given[there].astype(dtype)
    made[made.astype(given.dtype) != given] = "NaT"
    return made


def row_weights(given: Any, n_rows: int, rows: str) -> NDArray[np.float64]:
    """Weights of rows as the user gave them, ones for None; ``rows`` says which rows.

    Raises
    ------
    InputError
        If there is not one for each row, or one is negative or not finite, or all are 0.
    """
    if given is None:
        return np.ones(n_rows)
    weights = real_numbers(given, "weights")
    if weights.shape != (n_rows,):
        raise InputError(
            f"weights have shape {weights.shape}; wanted ({n_rows},), one for each {rows}"
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise InputError("weights must be finite, not negative, and not all zero")
    return weights


def scaled_row_weights(given: Any, n_rows: int, rows: str) -> NDArray[np.float64]:
    """As `row_weights`, the largest 1: equal ones then sum without rounding, and none overflows."""
    weights = row_weights(given, n_rows, rows)
    return weights if given is None else np.asarray(weights / weights.max())


def smallest(numbers: NDArray[np.float64], k: int, rounding: float = 0.0) -> NDArray[np.int64]:
    """Columns of the k smallest of each row, ascending; of equal ones the first.

    Parameters
    ----------
    numbers : float64 (n_rows, n_columns)
        Without NaN.
    k : int
        1 to n_columns.
    rounding : float
        What is as far apart, relative to itself, counts as equal; numbers are not negative then.
    """
    if k == numbers.shape[1]:
        return np.broadcast_to(np.arange(k), (len(numbers), k)).copy()
    limit = np.partition(numbers, k - 1, axis=1)[:, k - 1 : k]
    taken = numbers <= limit * (1 + rounding)
    if np.count_nonzero(taken) > k * len(numbers):
        level = taken & (numbers >= limit * (1 - rounding))
        room = k - (taken & ~level).sum(axis=1, keepdims=True)
        taken &= ~level | (np.cumsum(level, axis=1) <= room)
    return np.nonzero(taken)[1].reshape(len(numbers), k)
