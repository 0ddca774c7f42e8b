"""Rows that are done once they are near enough, their games means over parts of the background."""

import numpy as np

import shapley_core as sc
from shapley_core.explainers import parted_rows

from .games import N, smooth, table


def uneven(rows):
    """Some rows are additive, the others not."""
    return rows.sum(axis=1) + np.where(rows[:, 0] > 0.5, smooth(rows[:, :N]), 0.0)


def test_rows_are_done_once_they_are_near_enough_and_nobody_pays_for_them_any_more():
    background, rows = np.random.default_rng(3).normal(size=(2, 40, 12))
    background[:, 0] = -1.0
    rows = rows[:8]
    rows[::2, 0], rows[1::2, 0] = -2.0, 1.0
    shown = []

    def counting(given):
        shown.append(len(given))
        return uneven(given)

    explainer = sc.TabularExplainer(counting, background, check_repeats=False)
    shown.clear()
    found = explainer(rows, budget=1024, tolerance=0.005)
    # Rounds of 64, 192 and 768; nothing and everything are known.
    assert set(found.n_evaluations[::2]) == {64} and set(found.n_evaluations[1::2]) == {256, 1024}
    rounds = np.searchsorted([64, 256, 1024], found.n_evaluations) + 1
    assert sum(shown) == ((found.n_evaluations - 2 * rounds) * 40 + 1).sum()
    done = found.n_evaluations < 1024
    spread = np.maximum(found.values.max(axis=1), 0) - np.minimum(found.values.min(axis=1), 0)
    assert (found.std_error.max(axis=1) <= 0.005 * spread)[done].all()
    truth = explainer(rows, budget=4096).values
    gap = np.abs(found.values - truth)
    assert (gap <= 2 * found.std_error + 1e-12).mean() > 0.9
    # A row is what its last round alone gives.
    for spent, budget in [(64, 64), (256, 192), (1024, 768)]:
        alone = explainer(rows, budget=budget)
        here = found.n_evaluations == spent
        np.testing.assert_allclose(found.values[here], alone.values[here], atol=1e-12)
        np.testing.assert_allclose(found.std_error[here], alone.std_error[here], atol=1e-9)


def test_donors_that_are_exact_are_not_asked_about_again(monkeypatch):
    monkeypatch.setattr(parted_rows, "_FIRST_ROUND", 40)
    background, rows = table(1, 30), table(2, 6)
    shown = []

    def counting(given):
        shown.append(len(given))
        return smooth(given)

    explainer = sc.TabularExplainer(counting, background, check_repeats=False)
    truth = explainer(rows, budget=256).values
    shown.clear()
    found = explainer(rows, budget=248, tolerance=1e-12)
    # Rounds of 62 and 186, of which nothing and everything are known.
    differ = (rows[:, None] != background).sum(axis=2)
    every = (1 << differ) - 2
    wanted = np.where(differ <= 5, every, np.where(differ <= 7, 60 + every, 60 + 184))
    assert sum(shown) == wanted.sum() + len(rows)
    assert set(found.n_evaluations) <= {62 + 128, 62 + 186} and len(set(differ.max(axis=1))) > 1
    np.testing.assert_allclose(found.values, truth, atol=0.02 * np.abs(truth).max())


def test_a_tolerance_that_is_not_reached_costs_little_accuracy():
    background, rows = np.random.default_rng(5).normal(size=(2, 30, 12))
    explainer = sc.TabularExplainer(
        lambda given: np.tanh(given[:, :6] * given[:, 6:]).sum(axis=1), background
    )
    truth = explainer(rows[:6], budget=4096).values

    def error(**settings):
        found = [explainer(rows[:6], random_state=seed, **settings) for seed in range(3)]
        return np.sqrt(np.mean([(one.values - truth) ** 2 for one in found]))

    assert error(budget=600, tolerance=1e-9) < 1.5 * error(budget=600)
