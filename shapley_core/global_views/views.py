"""Global values: one number for each feature or interaction, from the values of many rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import check_integer, is_one_of, scaled_row_weights
from ..dense import checked_order
from ..errors import InputError
from ..explainers.long_runs import len_of
from ..explanation import Explanation
from ..runs import StoredExplanation, file_source, is_file
from ..tables import as_table, take_rows
from ..threads import row_blocks
from .moments import Moments

Kind = Literal["mean_abs", "mean", "presence_adjusted"]
KINDS = ("mean_abs", "mean", "presence_adjusted")

BLOCK_ROWS = 2048


@dataclass(frozen=True, eq=False)
class GlobalValues:
    """Means over rows, with standard errors.

    Attributes
    ----------
    values, std_error : float64 (n_interactions,) or (n_interactions, n_outputs)
        Beside ``interactions``. The standard errors are those of a mean over a sample of rows:
        they say nothing of errors in each row's values.
    interactions : list of tuples of features
    kind : str
        Mean of what, as `global_values` was asked.
    index : str
        Of the rows' values.
    order, n_features, n_rows : int
        ``n_rows`` counts the rows with a weight.
    feature_names, output_names : tuple of str, or None
    """

    values: NDArray[np.float64]
    std_error: NDArray[np.float64]
    interactions: list[tuple[int, ...]]
    kind: str
    index: str
    order: int
    n_features: int
    n_rows: int
    feature_names: tuple[str, ...] | None = None
    output_names: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        return (
            f"GlobalValues({self.kind} of {self.index}, order {self.order}: "
            f"{len(self.interactions)} values from {self.n_rows} rows)"
        )

    def labels(self) -> list[str]:
        """Name what stands beside axis 0 of ``values``: features, pairs as ``"age, hour"``."""
        names = self.feature_names or [f"feature {i}" for i in range(self.n_features)]
        return [", ".join(names[feature] for feature in one) for one in self.interactions]

    def top(self, n: int = 10, output: int = 0) -> list[tuple[str, float, float]]:
        """List the ``n`` largest by absolute value: label, value, standard error."""
        n = max(check_integer(n, "n"), 0)
        n_outputs = 1 if self.values.ndim == 1 else self.values.shape[1]
        if not 0 <= check_integer(output, "output") < n_outputs:
            raise InputError(f"output {output} is out of range: there are {n_outputs}")
        values = self.values.reshape(len(self.interactions), -1)[:, output]
        errors = self.std_error.reshape(len(self.interactions), -1)[:, output]
        labels = self.labels()
        order = np.argsort(-np.abs(values), kind="stable")[:n]
        return [(labels[at], float(values[at]), float(errors[at])) for at in order]

    def to_array(self, order: int | None = None) -> NDArray[np.float64]:
        """Dense symmetric array (n_features,) * order [+ (n_outputs,)] of the values.

        At order 2, the strength of each pair stands in both its places, undivided, and each
        feature's own value on the diagonal: rows of the matrix sum to nothing in particular.
        What holds no value is 0.
        """
        return self._dense(self.values, order)

    def std_error_array(self, order: int | None = None) -> NDArray[np.float64]:
        """Return the standard errors, arranged as `to_array`."""
        return self._dense(self.std_error, order)

    def _dense(self, values: NDArray[np.float64], order: int | None) -> NDArray[np.float64]:
        order = checked_order(order, self.order)
        out = np.zeros((self.n_features,) * order + values.shape[1:])
        for value, one in zip(values, self.interactions, strict=True):
            if len(one) == order:
                for place in permutations(one):
                    out[place] = value
            elif len(one) == 1 and order == 2:
                out[one[0], one[0]] = value
        return out

    def to_frame(self) -> Any:
        """Return a pandas DataFrame with columns ``value`` and ``std_error``, for each output."""
        import pandas

        if self.values.ndim == 1:
            held = {"value": self.values, "std_error": self.std_error}
        else:
            names = self.output_names or [f"output {k}" for k in range(self.values.shape[1])]
            held = {}
            for k, name in enumerate(names):
                held[f"value [{name}]"] = self.values[:, k]
                held[f"std_error [{name}]"] = self.std_error[:, k]
        return pandas.DataFrame(held, index=self.labels())


def global_values(
    explanation: Explanation | StoredExplanation,
    kind: Kind = "mean_abs",
    *,
    weights: ArrayLike | None = None,
    data: Any = None,
) -> GlobalValues:
    """Average the values of all rows, which may be more than memory holds.

    Parameters
    ----------
    explanation : Explanation or StoredExplanation
        Of any index and order. Of joint Shapley values (JointSV) this gives the global joint
        Shapley values; of order 2, the strength of interactions (``.to_array(2)``).
    kind : str
        With x running over the rows and phi_T(x) the value of the feature or interaction T:

        - "mean_abs": the mean of ``|phi_T(x)|``, the usual measure of importance;
        - "mean": the mean of ``phi_T(x)``, signed. For an index linear in the game that is the
          value of T in the mean of the rows' games;
        - "presence_adjusted", for features that are all 0 or 1: the mean of
          ``sigma_T(x) phi_T(x)``, where sigma_T(x) is +1 if every feature of T is 1 in x, and -1
          otherwise. A feature that raises the prediction where it is present and lowers it where
          it is absent counts as positive both times. This is a definition of our own; it does not
          claim to be the one of Harris, Pymar and Rowat (2022).
    weights : array (n_rows,), optional
        Not negative; equal by default.
    data : table of the explained rows, or files as `TableFile` takes them, optional
        For "presence_adjusted", where the explanation does not hold it.

    Returns
    -------
    GlobalValues
        With standard errors over rows, as if those were drawn independently. Values that are
        themselves estimated make "mean_abs" too large, for noise does not cancel in ``|phi|``;
        and if they share one design of coalitions, its error is common to all rows, and no part
        of the standard error.

    Raises
    ------
    InputError
        If there are no rows, the weights do not fit, or a feature is not 0 or 1 where that is
        wanted.
    """
    if not is_one_of(kind, KINDS):
        raise InputError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    if not isinstance(explanation, Explanation | StoredExplanation):
        raise TypeError(
            "global_values takes an Explanation or a StoredExplanation, not "
            f"{type(explanation).__name__}"
        )
    if not explanation.n_rows:
        raise InputError("there are no rows to average over")
    weight = scaled_row_weights(weights, explanation.n_rows, "row explained")
    signed = kind == "presence_adjusted"
    if signed and explanation.groups is not None:
        raise InputError("a group of features is not present or absent; explain single features")
    moments: Moments | None = None
    start = 0
    parts = [explanation] if isinstance(explanation, Explanation) else explanation
    tables = _data(explanation, data) if signed else None
    for part in parts:
        signs = None if tables is None else _Signs(next(tables), part)
        moments = moments or Moments(part.values.shape[1:])
        for first, last in row_blocks(part.n_rows, BLOCK_ROWS):
            values = part.values[first:last]
            if kind == "mean_abs":
                values = np.abs(values)
            elif signs is not None:
                sigma = signs.of(first, last)
                values = values * sigma.reshape(sigma.shape + (1,) * (values.ndim - 2))
            moments.add(values, weight[start + first : start + last])
        start += part.n_rows
    assert moments is not None
    return GlobalValues(
        moments.mean,
        moments.std_error,
        explanation.interactions,
        kind,
        explanation.index,
        explanation.order,
        explanation.n_features,
        moments.n_rows,
        explanation.feature_names,
        explanation.output_names,
    )


def _data(explanation: Explanation | StoredExplanation, data: Any) -> Iterator[Any]:
    """Yield the rows beside each part of the explanation."""
    if data is None and isinstance(explanation, Explanation):
        data = explanation.data
    if data is None:
        raise InputError("the explanation does not hold the rows; give them as data")
    n_rows = explanation.n_rows
    if is_file(data):
        source = file_source(data, lambda names: {}, explanation.feature_names is not None)
        if source.n_rows == n_rows:
            size = n_rows if isinstance(explanation, Explanation) else explanation.chunk_rows
            yield from source.chunks(0, size)
            return
        held = source.n_rows
    else:
        try:
            held = len_of(data)
        except (IndexError, TypeError) as error:
            raise InputError(f"data is a {type(data).__name__}; wanted rows") from error
    if held != n_rows:
        raise InputError(f"data has {held} rows, but {n_rows} rows were explained")
    if isinstance(explanation, Explanation):
        yield data
        return
    for start, stop in row_blocks(n_rows, explanation.chunk_rows):
        yield take_rows(data, slice(start, stop))


class _Signs:
    """+1 where all features of an interaction are present in a row, -1 otherwise."""

    def __init__(self, data: Any, part: Explanation) -> None:
        self.table = as_table(
            data,
            n_features=part.n_features,
            feature_names=part.feature_names,
            what="data",
        )
        self.labels = part.feature_names or [str(number) for number in range(part.n_features)]
        sizes = np.array([len(one) for one in part.interactions])
        self.members = [
            (at, np.array([part.interactions[column] for column in at], np.int64))
            for at in (np.flatnonzero(sizes == size) for size in np.unique(sizes))
        ]
        self.width = len(sizes)

    def of(self, start: int, stop: int) -> NDArray[np.float64]:
        """Signs (stop - start, n_interactions) of some rows."""
        rows = self.table.block(start, stop)
        present = rows == 1
        odd = ~present & (rows != 0)
        if odd.any():
            row, feature = np.argwhere(odd)[0]
            raise InputError(
                f"feature {self.labels[feature]!r} of data is {rows[row, feature]} in a row; "
                "presence_adjusted values need features that are all 0 or 1"
            )
        signs = np.empty((stop - start, self.width))
        for at, members in self.members:
            signs[:, at] = np.where(present[:, members].all(axis=2), 1.0, -1.0)
        return signs
