"""The explainers that are measured beside each other, each behind one function.

A contender is ``prepare(booster, background) -> explain``, where ``explain(X)`` gives Shapley
values of the raw margin, rows by features. Everything a user does once belongs to ``prepare``;
what is done for each table, such as making XGBoost's matrix, to ``explain``. One thread each.
"""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

Explain = Callable[[Any], Any]

PEERS = {
    "shap": "shap",
    "shapiq": "shapiq",
    "woodelf": "woodelf-explainer",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
}


def installed(name: str) -> str | None:
    """Version of a peer, None where it is absent. XGBoost's CPU build has a name of its own."""
    for package in (PEERS[name], PEERS[name] + "-cpu"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return None


def own(booster: Any, background: Any, threads: int = 1) -> Explain:
    from shapley_core import TreeExplainer

    explainer = TreeExplainer(booster, background, n_threads=threads)
    return lambda X: explainer(X, n_threads=threads).values


def own_cold(booster: Any, background: Any, threads: int = 1) -> Explain:
    """Reading the model and the background anew in each call."""
    return lambda X: own(booster, background, threads)(X)


def library(booster: Any, background: Any, threads: int = 1) -> Explain:
    """The contributions of the model's own library: path-dependent only."""
    if is_xgboost(booster):
        return lambda X: booster.predict(_matrix(X, threads), pred_contribs=True)[:, :-1]
    return lambda X: booster.predict(X, pred_contrib=True, num_threads=threads)[:, :-1]


def predict(booster: Any, background: Any, threads: int = 1) -> Explain:
    """The raw prediction of the model's own library: no explanation, but a measure of the model."""
    if is_xgboost(booster):
        return lambda X: booster.predict(_matrix(X, threads), output_margin=True)
    return lambda X: booster.predict(X, raw_score=True, num_threads=threads)


def shap_values(booster: Any, background: Any) -> Explain:
    import shap

    if background is not None:
        # By default only 100 rows of the background would be used.
        masker = shap.maskers.Independent(background, max_samples=len(background))
        return shap.TreeExplainer(booster, masker).shap_values
    explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
    # Otherwise shap hands these models to the contributions of their own library.
    explainer.model.model_type = "internal"
    return lambda X: explainer.shap_values(X, check_additivity=False)


def shapiq_values(booster: Any, background: Any) -> Explain:
    import shapiq

    mode = "pathdependent" if background is None else "interventional"
    # Its other backend is woodelf, which is measured by itself.
    explainer = shapiq.TreeExplainer(
        booster, mode=mode, reference_dataset=background, max_order=1, index="SV", backend="shapiq"
    )
    return lambda X: np.array([explainer.explain(row).get_n_order_values(1) for row in X])


def woodelf_values(booster: Any, background: Any, trees: int | None = None) -> Explain:
    import pandas
    import woodelf

    def frame(X: Any) -> Any:
        return pandas.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])])

    explainer = woodelf.WoodelfExplainer(booster, None if background is None else frame(background))
    return lambda X: explainer.shap_values(frame(X), tree_limit=trees, verbose=False)


CONTENDERS = {
    "shapley_core": own,
    "shapley_core, cold": own_cold,
    "predict": predict,
    "xgboost": library,
    "lightgbm": library,
    "shap": shap_values,
    "shapiq": shapiq_values,
    "woodelf": woodelf_values,
}


def own_pairs(booster: Any, background: Any) -> Explain:
    from shapley_core import TreeExplainer

    explainer = TreeExplainer(booster, background, n_threads=1)
    return lambda X: explainer(X, index="SII", order=2, n_threads=1)


def own_pairs_cold(booster: Any, background: Any) -> Explain:
    return lambda X: own_pairs(booster, background)(X)


def library_pairs(booster: Any, background: Any) -> Explain:
    return lambda X: booster.predict(_matrix(X, 1), pred_interactions=True)[:, :-1, :-1]


# Shapley interactions of all pairs.
PAIRS = {
    "shapley_core": own_pairs,
    "shapley_core, cold": own_pairs_cold,
    "predict": predict,
    "xgboost": library_pairs,
}


def is_xgboost(booster: Any) -> bool:
    return type(booster).__module__.startswith("xgboost")


def _matrix(X: Any, threads: int) -> Any:
    import xgboost

    return xgboost.DMatrix(X, nthread=threads)
