"""Explanation: the values of every row of a table, for one index and order."""

import os
from collections.abc import Sequence
from operator import index as as_int
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import known_outputs, output_number
from .coalitions import InteractionSet
from .dense import checked_order, dense_array
from .errors import InputError
from .explanation_file import read_explanation, write_explanation
from .result import InteractionValues
from .tables import feature_values, is_pandas, take_rows


class Explanation:
    """Values of every row, beside the base values that they are added to.

    ``e[5]`` is row 5 as `InteractionValues`; ``e[2:10]``, ``e[[3, 1]]`` and ``e[mask]`` are the
    explanations of those rows. With several outputs, say which: ``e[5, "dog"]`` or
    ``e.output("dog")[5]``.

    Parameters
    ----------
    values : float64 (n_rows, n_features) or (n_rows, n_features, n_outputs)
        In the units of the model's raw output. At order 2 and above one column for each entry of
        ``interactions`` instead of one for each feature.
    base_values : float64 (n_rows,) or (n_rows, n_outputs)
        What the model gives when nothing is known of a row.
    data : array, frame or sparse matrix, or None
        The user's own table, where it is at hand.
    index : str
        Name of the index.
    order : int
        Largest size of an interaction.
    n_features : int, optional
        Needed at order 2 and above where neither names nor ``data`` tell.
    interactions : list of tuples of features, optional
        Sorted by (size, lexicographic); at order 1 every single feature.
    feature_names, output_names : sequence of str, optional
        With groups, the names of the players.
    groups : sequence of tuples of int, optional
        The features of each player, where players are groups of features: then a "feature" of
        the values, the interactions and the names is a player.
    std_error : float64, shaped as ``values``, optional
        Standard errors of values that are estimated; 0 where one is exact.
    n_evaluations : int64 (n_rows,), optional
        How often each row's game was evaluated.
    absent_is_zero : bool
        Whether interactions of up to ``order`` features that are not among ``interactions`` are
        known to be exactly 0.
    """

    def __init__(
        self,
        values: NDArray[np.float64],
        base_values: NDArray[np.float64],
        data: Any,
        *,
        index: str,
        order: int = 1,
        n_features: int | None = None,
        interactions: Sequence[tuple[int, ...]] | None = None,
        feature_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
        std_error: NDArray[np.float64] | None = None,
        n_evaluations: NDArray[np.int64] | None = None,
        groups: Sequence[tuple[int, ...]] | None = None,
        absent_is_zero: bool = False,
    ) -> None:
        self.absent_is_zero = bool(absent_is_zero)
        self.values = np.asarray(values)
        self.base_values = np.asarray(base_values)
        self.std_error = None if std_error is None else np.asarray(std_error)
        self.n_evaluations = None if n_evaluations is None else np.asarray(n_evaluations)
        self.data = data
        self.index = index
        self.order = as_int(order)
        self.feature_names = None if feature_names is None else tuple(feature_names)
        self.output_names = None if output_names is None else tuple(output_names)
        self.groups = None if groups is None else tuple(groups)
        if self.values.ndim not in (2, 3):
            raise InputError(
                f"values have shape {self.values.shape}; wanted (n_rows, n_features[, n_outputs])"
            )
        wanted = self.values.shape[:1] + self.values.shape[2:]
        if self.base_values.shape != wanted:
            raise InputError(f"base_values have shape {self.base_values.shape}; wanted {wanted}")
        if self.std_error is not None and self.std_error.shape != self.values.shape:
            raise InputError(
                f"std_error has shape {self.std_error.shape}; wanted that of the values, "
                f"{self.values.shape}"
            )
        if self.n_evaluations is not None and self.n_evaluations.shape != wanted[:1]:
            raise InputError(
                f"n_evaluations has shape {self.n_evaluations.shape}; wanted {wanted[:1]}"
            )
        _check_rows(data, len(self.values))
        if interactions is None and self.order != 1:
            raise InputError(f"values of order {self.order} need their interactions")
        width = self.values.shape[1]
        if interactions is not None and not isinstance(interactions, InteractionSet):
            interactions = list(interactions)
        if interactions is not None and len(interactions) != width:
            raise InputError(f"{width} columns of values, {len(interactions)} interactions")
        self._interactions = interactions
        if self.order == 1:
            self.n_features = width
        elif self.groups is not None:
            self.n_features = len(self.groups)
        elif self.feature_names is not None:
            self.n_features = len(self.feature_names)
        elif n_features is not None:
            self.n_features = as_int(n_features)
        else:
            self.n_features = int((data.shape if hasattr(data, "shape") else np.shape(data))[1])
        for name, given, count in (
            ("feature_names", self.feature_names, self.n_features),
            ("output_names", self.output_names, self.n_outputs),
        ):
            if given is not None and len(given) != count:
                raise InputError(f"{len(given)} {name} for {count}")

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.values)

    @property
    def n_outputs(self) -> int:
        """Number of outputs of the model."""
        return self.values.shape[2] if self.values.ndim == 3 else 1

    @property
    def interactions(self) -> list[tuple[int, ...]]:
        """Tuples of features beside axis 1 of ``values``."""
        if self._interactions is None:
            return [(feature,) for feature in range(self.n_features)]
        return list(self._interactions)

    def __len__(self) -> int:
        return self.n_rows

    def __repr__(self) -> str:
        outputs = f", {self.n_outputs} outputs" if self.values.ndim == 3 else ""
        return (
            f"Explanation({self.index}, order {self.order}: {self.n_rows} rows, "
            f"{self.values.shape[1]} {'features' if self.order == 1 else 'interactions'}{outputs})"
        )

    def __getitem__(self, key: Any) -> Any:
        """Return one row as `InteractionValues`, several as an `Explanation`."""
        if isinstance(key, tuple):
            if len(key) != 2:
                raise IndexError(f"wanted e[row] or e[row, output], not {len(key)} indices")
            return self.output(key[1])[key[0]]
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
            return self._row(int(key))
        rows = key if isinstance(key, slice) else self._row_numbers(key)
        return self._like(
            self.values[rows],
            self.base_values[rows],
            take_rows(self.data, rows),
            self.output_names,
            None if self.std_error is None else self.std_error[rows],
            None if self.n_evaluations is None else self.n_evaluations[rows],
        )

    def _row_numbers(self, key: Any) -> NDArray[np.int64]:
        try:
            chosen = np.asarray(key)
        except ValueError as error:
            raise IndexError(f"rows cannot be chosen by {key!r}: {error}") from error
        if chosen.ndim == 1 and chosen.dtype == np.bool_ and len(chosen) == self.n_rows:
            return np.flatnonzero(chosen)
        if chosen.ndim == 1 and (chosen.dtype.kind in "iu" or not len(chosen)):
            rows = chosen.astype(np.int64)
            if ((rows < -self.n_rows) | (rows >= self.n_rows)).any():
                raise IndexError(f"a row is out of range: there are {self.n_rows}")
            return np.where(rows < 0, rows + self.n_rows, rows)
        raise IndexError(
            f"rows are chosen by a number, a slice, integers or {self.n_rows} booleans; got an "
            f"array of dtype {chosen.dtype} and shape {chosen.shape}"
        )

    def _row(self, row: int) -> InteractionValues:
        if not -self.n_rows <= row < self.n_rows:
            raise IndexError(f"row {row} is out of range: there are {self.n_rows}")
        if self.values.ndim == 3:
            raise InputError(
                f"the model has {self.n_outputs} outputs: choose one, e[{row}, 0] or "
                f"e.output(0)[{row}]{known_outputs(self.output_names)}"
            )
        held = self._interactions if isinstance(self._interactions, InteractionSet) else None
        return InteractionValues(
            self.values[row],
            self.interactions if held is None else held,
            index=self.index,
            order=self.order,
            n_players=self.n_features,
            baseline=float(self.base_values[row]),
            player_names=self.feature_names,
            std_error=None if self.std_error is None else self.std_error[row],
            n_evaluations=None if self.n_evaluations is None else int(self.n_evaluations[row]),
            is_exact=self.std_error is None or not self.std_error[row].any(),
            absent_is_zero=self.absent_is_zero,
        )

    def _like(
        self,
        values: NDArray[np.float64],
        base_values: NDArray[np.float64],
        data: Any,
        output_names: Sequence[str] | None,
        std_error: NDArray[np.float64] | None,
        n_evaluations: NDArray[np.int64] | None,
    ) -> "Explanation":
        return Explanation(
            values,
            base_values,
            data,
            index=self.index,
            order=self.order,
            n_features=self.n_features,
            interactions=self._interactions,
            feature_names=self.feature_names,
            output_names=output_names,
            std_error=std_error,
            n_evaluations=n_evaluations,
            groups=self.groups,
            absent_is_zero=self.absent_is_zero,
        )

    def output(self, output: int | str) -> "Explanation":
        """Return the explanation of one output, by its number or name, without a copy."""
        number = output_number(output, self.output_names, self.n_outputs)
        if self.values.ndim == 2:
            return self
        names = None if self.output_names is None else self.output_names[number : number + 1]
        return self._like(
            self.values[:, :, number],
            self.base_values[:, number],
            self.data,
            names,
            None if self.std_error is None else self.std_error[:, :, number],
            self.n_evaluations,
        )

    def mean_abs(self) -> NDArray[np.float64]:
        """Mean absolute value over the rows: (n_features[, n_outputs]), or (n_interactions, ...).

        The usual measure of a feature's importance; zeros where there are no rows.
        """
        total = np.zeros(self.values.shape[1:])
        for start in range(0, self.n_rows, 4096):
            total += np.abs(self.values[start : start + 4096]).sum(axis=0)
        return total / max(self.n_rows, 1)

    def to_array(self, order: int | None = None) -> NDArray[np.float64]:
        """Dense symmetric array (n_rows,) + (n_features,) * order [+ (n_outputs,)].

        What holds no value is 0. At order 2 each pair's value is halved over its two places and
        the diagonal holds what is left, so that each row of a matrix sums to that feature's value
        of order 1, as in shap and XGBoost. For SII, BII and their like size 1 *is* that value:
        half of each of its pairs is taken off. Where the values of all sizes together describe
        the prediction (k-SII, STII, FSII, FBII, Moebius) size 1 is what is left already, and
        stands on the diagonal as it is. At order 3 and above the array holds the interactions of
        that size alone, each divided equally over its ``order!`` places.

        Parameters
        ----------
        order : int, optional
            By default that of the values.

        Raises
        ------
        InputError
            If the values are not of that order; or, above order 1, if they are generalised values
            of coalitions (SGV, BGV, CHGV), of which the players' values are no sum, or the name
            of the index tells of none.
        MemoryLimitError
            If the array would not fit.
        """
        return dense_array(
            self.values,
            self.interactions if self._interactions is None else self._interactions,
            self.n_features,
            checked_order(order, self.order),
            self.index,
            "Take fewer rows (e[:1000].to_array()) or use values beside interactions",
        )

    def labels(self) -> list[str]:
        """Name what stands beside axis 1 of ``values``: features, pairs as ``"age, hour"``."""
        names = self.feature_names or [f"feature {i}" for i in range(self.n_features)]
        return [", ".join(names[feature] for feature in one) for one in self.interactions]

    def column_names(self) -> list[str]:
        """Name the columns of `to_frame`: the labels and base_value, for each output in turn."""
        columns = [*self.labels(), "base_value"]
        if self.values.ndim == 2:
            return columns
        outputs = self.output_names or [f"output {k}" for k in range(self.n_outputs)]
        return [f"{column} [{output}]" for output in outputs for column in columns]

    def columns(self) -> list[NDArray[np.float64]]:
        """Return the columns of `to_frame`, each (n_rows,), without a copy."""
        values = self.values.reshape(self.n_rows, self.values.shape[1], self.n_outputs)
        base = self.base_values.reshape(self.n_rows, self.n_outputs)
        return [
            column for k in range(self.n_outputs) for column in (*values[:, :, k].T, base[:, k])
        ]

    def to_frame(self) -> Any:
        """Return a pandas DataFrame: a column for each value, then base_value.

        Rows keep the index of ``data`` where that is a pandas frame. With several outputs the
        columns are those of each output in turn, ``"age [dog]"``.
        """
        import pandas

        return pandas.DataFrame(
            np.stack(self.columns(), axis=1),
            columns=self.column_names(),
            index=self.data.index if is_pandas(self.data) else None,
        )

    def to_shap(self) -> Any:
        """Return a ``shap.Explanation``, for shap's plots; shap must be installed.

        Order 1 gives its values as they are, order 2 the dense matrices of ``to_array(2)``. A
        group of features has no value of its own to plot: with groups there is no ``data``.
        """
        import shap

        if self.order > 2:
            raise InputError(f"shap has no place for values of order {self.order}; at most 2")
        outputs: Any = self.output_names
        if outputs is not None:
            outputs = list(outputs) if self.values.ndim == 3 else outputs[0]
        return shap.Explanation(
            values=self.values if self.order == 1 else self.to_array(2),
            base_values=np.array(self.base_values),
            data=None
            if self.groups or self.data is None
            else feature_values(self.data, self.feature_names),
            feature_names=self.feature_names and list(self.feature_names),
            output_names=outputs,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a file (npz), which appears whole or not at all.

        ``data`` is written as an array where it is a dense table of numbers; sparse matrices and
        tables with text or categories are not.
        """
        write_explanation(path, self)

    @classmethod
    def load(cls, path: str | os.PathLike[str], data: Any = None) -> "Explanation":
        """Read what `save` wrote; ``data`` takes the place of the table in the file.

        Raises
        ------
        InputError
            If the file is no explanation, or is damaged, or ``data`` has another number of rows.
        """
        found = read_explanation(path, cls)
        if data is not None:
            _check_rows(data, found.n_rows)
            found.data = data
        return found


def _check_rows(data: Any, n_rows: int) -> None:
    if data is not None:
        given = data.shape[0] if hasattr(data, "shape") else len(data)
        if given != n_rows:
            raise InputError(f"data has {given} rows, the values {n_rows}")
