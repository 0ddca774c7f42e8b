"""Linear models under the marginal game: exact without a call of the model."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import coalitions as sets
from .. import indices
from ..arrays import real_numbers
from ..errors import InputError
from ..frames import align
from ..imputers.base import product
from ..imputers.rows import Rows
from ..indices import IndexSpec, ProbabilisticValue
from ..players import Players

Array = NDArray[np.float64]

# Classes of scikit-learn whose raw output is coef_ @ x + intercept_; another class may well have
# these attributes and do something else with them (Poisson regression has a link).
_LINEAR = frozenset(
    """
    ARDRegression BayesianRidge ElasticNet ElasticNetCV HuberRegressor Lars LarsCV Lasso LassoCV
    LassoLars LassoLarsCV LassoLarsIC LinearDiscriminantAnalysis LinearRegression LinearSVC
    LinearSVR LogisticRegression LogisticRegressionCV MultiTaskElasticNet MultiTaskElasticNetCV
    MultiTaskLasso MultiTaskLassoCV OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV
    PassiveAggressiveClassifier PassiveAggressiveRegressor Perceptron QuantileRegressor Ridge
    RidgeCV RidgeClassifier RidgeClassifierCV SGDClassifier SGDRegressor TheilSenRegressor
    """.split()  # noqa: SIM905
)


class LinearModel:
    """f(x) = coefficients @ x + intercept, with one output or several.

    Parameters
    ----------
    coefficients : float64 (n_outputs, n_features)
    intercept : float64 (n_outputs,)
    single : bool
        Whether there is one output, which then has no axis.
    output_names : tuple of str, optional
    """

    def __init__(
        self,
        coefficients: Any,
        intercept: Any,
        output_names: tuple[str, ...] | None = None,
    ) -> None:
        found = real_numbers(coefficients, "coefficients")
        if found.ndim not in (1, 2) or found.size == 0:
            raise InputError(
                f"coefficients have shape {found.shape}; wanted (n_features,) or "
                "(n_outputs, n_features)"
            )
        self.coefficients = np.atleast_2d(found)
        offset = real_numbers(intercept, "intercept").ravel()
        if offset.size not in (1, len(self.coefficients)):
            raise InputError(f"{offset.size} intercepts for {len(self.coefficients)} outputs")
        self.intercept = np.broadcast_to(offset, (len(self.coefficients),))
        if not (np.isfinite(self.coefficients).all() and np.isfinite(self.intercept).all()):
            raise InputError("coefficients and intercept must be finite")
        self.single = len(self.coefficients) == 1
        self.output_names = output_names


def linear_model(model: Any, columns: tuple[str, ...] | None) -> LinearModel | None:
    """The model as a linear one: a fitted scikit-learn model, or a pair (coefficients, intercept).

    A classifier is taken by its decision function. Coefficients of a model that was fitted to
    named columns are put in the order of ``columns``.
    """
    if isinstance(model, tuple) and len(model) == 2 and not any(map(callable, model)):
        return LinearModel(*model)
    kind = type(model)
    if not kind.__module__.startswith("sklearn.") or kind.__name__ not in _LINEAR:
        return None
    if getattr(model, "coef_", None) is None:
        raise InputError(f"{kind.__name__} is not fitted; call .fit first")
    coefficients = model.coef_
    coefficients = coefficients.toarray() if hasattr(coefficients, "toarray") else coefficients
    classes = getattr(model, "classes_", None)
    names = None if classes is None or len(classes) < 3 else tuple(map(str, classes))
    fitted = getattr(model, "feature_names_in_", None)
    if fitted is not None and columns is not None:
        # The model of scikit-learn itself refuses columns in another order than these.
        order = align([str(name) for name in fitted], columns, "the model")
        coefficients = np.atleast_2d(coefficients)[:, order]
    return LinearModel(coefficients, model.intercept_, names)


class LinearGames:
    """The marginal games of a linear model, which are additive.

    v(S) = v(∅) + Σ_{i in S} c_i (x_i - mean of z_i): player i has the Moebius coefficient
    c_i (x_i - mean z_i), groups the sum over their members, and interactions none.
    """

    def __init__(
        self, model: LinearModel, background: Rows, weights: Array, players: Players
    ) -> None:
        if background.n_features != model.coefficients.shape[1]:
            raise InputError(
                f"the background has {background.n_features} columns, the model "
                f"{model.coefficients.shape[1]} coefficients"
            )
        self.model = model
        self.players = players
        self._player = players.of_feature
        data = numbers_of(background, "the background")
        with np.errstate(over="ignore", invalid="ignore"):
            self._mean = weights @ data / weights.sum()
            self.nothing = model.coefficients @ self._mean + model.intercept
        _check_range(self._mean, self.nothing)

    def values(
        self, rows: Rows, spec: IndexSpec | ProbabilisticValue, order: int
    ) -> tuple[Array, Array]:
        """Values (n_rows, n_interactions, n_outputs) and baseline (n_rows, n_outputs)."""
        with np.errstate(over="ignore", invalid="ignore"):
            found = self._values(rows, spec, order)
        _check_range(*found)
        return found

    def _values(
        self, rows: Rows, spec: IndexSpec | ProbabilisticValue, order: int
    ) -> tuple[Array, Array]:
        model, n = self.model, self.players.n_players
        x = numbers_of(rows, "X")
        each = (x - self._mean)[:, :, None] * model.coefficients.T
        dividends = np.zeros((len(x), n, len(model.coefficients)))
        for feature in range(x.shape[1]):
            player = feature if self._player is None else self._player[feature]
            dividends[:, player] += each[:, feature]
        baseline = np.broadcast_to(self.nothing, (len(x), len(self.nothing)))
        if isinstance(spec, ProbabilisticValue):
            return dividends, baseline
        out = np.zeros((len(x), sets.n_interactions(n, order), len(model.coefficients)))
        start = 0
        for size in range(1, order + 1):
            members = sets.interactions_of_size(n, size)
            weight = indices.moebius_weights(spec, n, size, order)[0]
            if size == 1 or spec.family == "generalised":
                for column in members.T:
                    out[:, start : start + len(members)] += weight * dividends[:, column]
            start += len(members)
        if spec.has_constant:
            baseline = baseline + indices.moebius_weights(spec, n, 0, order)[1] * dividends.sum(1)
        return out, baseline


def _check_range(*numbers: Array) -> None:
    if not all(np.isfinite(one).all() for one in numbers):
        raise InputError(
            "values of the linear model overflow float64: divide its columns, or its coefficients "
            "and intercept, by a large number"
        )


def numbers_of(rows: Rows, what: str) -> Array:
    """The rows as finite numbers, or an error."""
    found, numeric = rows.numbers()
    if not numeric.all() or not np.isfinite(found).all():
        feature = int(np.argmin(numeric & np.isfinite(found).all(axis=0)))
        name = repr(rows.names[feature]) if rows.names else str(feature)
        raise InputError(
            f"column {name} of {what} holds something else than finite numbers, which a linear "
            "model does not take"
        )
    return found


Function = Callable[[Any], Any]


def raw_function(model: LinearModel, rows_of: Callable[[Any, str], Rows]) -> Function:
    """The model as a function of tables, for games that are not additive."""

    def raw(table: Any) -> Array:
        x = numbers_of(rows_of(table, "a table of masked rows"), "a table of masked rows")
        return product(x, model.coefficients.T) + model.intercept

    return raw
