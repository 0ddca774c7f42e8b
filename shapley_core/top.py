"""TopExplanation: the largest values of every row, where all of them would be too many."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import is_integer, output_number
from .coalitions import InteractionSet
from .errors import InputError
from .result import InteractionValues


class TopExplanation:
    """The values of largest size of every row; nothing is known of the others.

    ``e[5]`` is row 5 as `InteractionValues`, ``e[5, 1]`` or ``e[5, "dog"]`` that of one output.

    Parameters
    ----------
    values : float64 (n_rows, top) or (n_rows, top, n_outputs)
        Largest size first.
    places : int32, of the same shape
        Which of ``interactions`` each value is of.
    base_values : float64 (n_rows,) or (n_rows, n_outputs)
    index, order : str, int
    interactions : InteractionSet
        All interactions that there were to choose from.
    feature_names, output_names : sequence of str, optional
    """

    def __init__(
        self,
        values: NDArray[np.float64],
        places: NDArray[np.int32],
        base_values: NDArray[np.float64],
        *,
        index: str,
        order: int,
        interactions: InteractionSet,
        feature_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
    ) -> None:
        self.values = values
        self.places = places
        self.base_values = base_values
        self.index = index
        self.order = order
        self.interaction_set = interactions
        self.feature_names = None if feature_names is None else tuple(feature_names)
        self.output_names = None if output_names is None else tuple(output_names)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return (
            f"TopExplanation({self.index}, order {self.order}: {len(self)} rows, the "
            f"{self.values.shape[1]} largest of {len(self.interaction_set)} interactions)"
        )

    def __getitem__(self, key: Any) -> InteractionValues:
        row, output = key if isinstance(key, tuple) and len(key) == 2 else (key, None)
        if not is_integer(row) or not -len(self) <= row < len(self):
            raise IndexError(
                f"e[row] or e[row, output] wants the number of one of {len(self)} rows, not {row!r}"
            )
        if output is None and self.values.ndim == 3:
            raise InputError(
                f"the model has {self.values.shape[2]} outputs: choose one, e[{row}, 0]"
            )
        n_outputs = 1 if self.values.ndim == 2 else self.values.shape[2]
        at = 0 if output is None else output_number(output, self.output_names, n_outputs)
        values, places, base = self.values[row], self.places[row], self.base_values[row]
        if self.values.ndim == 3:
            values, places, base = values[:, at], places[:, at], base[at]
        return InteractionValues(
            values,
            [self.interaction_set[int(place)] for place in places],
            index=self.index,
            order=self.order,
            n_players=self.interaction_set.n_players,
            baseline=float(base),
            player_names=self.feature_names,
        )
