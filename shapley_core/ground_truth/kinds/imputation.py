"""What a model is shown where players are absent: the worths of a local explanation.

Each function returns worths v(S) = mean of the model's outputs over rows that agree with the
explained row in the features of S.
"""

import numpy as np
from numpy.typing import NDArray

from .models import Predict
from .recipe import Floats, Worth, one_by_one


def baseline(predict: Predict, row: Floats, other: Floats) -> Worth:
    """Absent features are those of one other row (baseline Shapley)."""

    def worth(coalitions: NDArray[np.bool_]) -> Floats:
        return predict(np.where(coalitions, row, other))

    return worth


def marginal(predict: Predict, row: Floats, background: Floats) -> Worth:
    """Absent features are those of each row of a background (interventional)."""

    def worth(coalitions: NDArray[np.bool_]) -> Floats:
        mixed = np.where(coalitions[:, None, :], row, background)
        outputs = predict(mixed.reshape(-1, len(row)))
        return np.asarray(outputs.reshape(len(coalitions), -1).mean(axis=1))

    return worth


def gaussian(
    predict: Predict, row: Floats, data: Floats, n_draws: int = 64, seed: int = 0
) -> Worth:
    """Absent features are drawn from their law given those present, all jointly normal.

    Aas, Jullum and Loland (2021), "Explaining individual predictions when features are
    dependent", section 3.1. The draws, in pairs of opposite sign, are the same for all coalitions.
    """
    mean = data.mean(axis=0)
    covariance = np.cov(data, rowvar=False) + 1e-9 * np.diag(data.var(axis=0))
    half = np.random.default_rng(seed).standard_normal((n_draws // 2, len(row)))
    draws = np.concatenate([half, -half])

    def worth(present: NDArray[np.intp]) -> float:
        rows = np.tile(row, (n_draws, 1))
        absent = np.setdiff1d(np.arange(len(row)), present)
        if len(absent):
            centre, spread = mean[absent], covariance[np.ix_(absent, absent)]
            if len(present):
                across = covariance[np.ix_(absent, present)]
                slopes = np.linalg.solve(covariance[np.ix_(present, present)], across.T).T
                centre = centre + slopes @ (row[present] - mean[present])
                spread = spread - slopes @ across.T
            root = np.linalg.cholesky((spread + spread.T) / 2)
            rows[:, absent] = centre + draws[:, absent] @ root.T
        return float(predict(rows).mean())

    return one_by_one(worth)


def nearest(predict: Predict, row: Floats, data: Floats, n_nearest: int = 20) -> Worth:
    """Absent features are those of the rows that are nearest in the features present.

    Aas, Jullum and Loland (2021), section 3.3, with Euclidean distances of standardised
    features. With no feature present, every row counts.
    """
    squares = ((data - row) / data.std(axis=0)) ** 2

    def worth(present: NDArray[np.intp]) -> float:
        chosen = data
        if len(present):
            distance = squares[:, present].sum(axis=1)
            chosen = data[np.argsort(distance, kind="stable")[:n_nearest]]
        rows = chosen.copy()
        rows[:, present] = row[present]
        return float(predict(rows).mean())

    return one_by_one(worth)
