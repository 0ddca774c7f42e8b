"""What a model may answer, and what it may do to its input."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from shapley_core import TabularExplainer
from shapley_core.errors import InputError

RNG = np.random.default_rng(3)
BACKGROUND, X = RNG.normal(size=(10, 4)), RNG.normal(size=(3, 4))


def total(rows):
    return rows.sum(axis=1) ** 2


EXPECTED = TabularExplainer(total, BACKGROUND)(X).values


@pytest.mark.parametrize(
    "answer",
    [
        lambda rows: total(rows)[:, None],
        lambda rows: total(rows).tolist(),
        lambda rows: pd.Series(total(rows), index=range(5, 5 + len(rows))),
        lambda rows: pd.DataFrame({"y": total(rows)}),
        lambda rows: np.asfortranarray(total(rows)[:, None]),
    ],
)
def test_answers_of_one_output(answer):
    np.testing.assert_array_equal(TabularExplainer(answer, BACKGROUND)(X).values, EXPECTED)


def test_several_outputs_and_their_names():
    def pair(rows):
        return np.column_stack([total(rows), -total(rows)])

    found = TabularExplainer(pair, BACKGROUND, output_names=["up", "down"])(X)
    np.testing.assert_array_equal(found.output("up").values, EXPECTED)
    np.testing.assert_array_equal(found.output("down").values, -EXPECTED)
    with pytest.raises(InputError, match="2 outputs, but there are 3"):
        TabularExplainer(pair, BACKGROUND, output_names=["a", "b", "c"])


@pytest.mark.parametrize("names", [-1, "up", b"up", np.array("up")])
def test_names_that_are_no_list(names):
    with pytest.raises(TypeError, match="output_names must be a list of names, not"):
        TabularExplainer(total, BACKGROUND, output_names=names)


@pytest.mark.parametrize("link", [np.ones(2), pd.Series([1.0, 2.0]), "probit", 3])
def test_what_is_no_link(link):
    with pytest.raises(InputError, match="link must be 'identity', 'logit' or a function, not"):
        TabularExplainer(total, BACKGROUND, link=link)


def test_outputs_are_named_where_the_model_is_not_asked(tmp_path):
    labels = np.arange(len(BACKGROUND)) % 3
    forest = RandomForestClassifier(3, max_depth=2, random_state=0).fit(BACKGROUND, labels)
    line = (np.arange(3.0 * BACKGROUND.shape[1]).reshape(3, -1), np.zeros(3))
    for number, model in enumerate((forest, line)):
        explainer = TabularExplainer(model, BACKGROUND, output_names=["a", "b", "c"])
        assert explainer.output_names == explainer(X).output_names == ("a", "b", "c")
        assert explainer(X, out=tmp_path / f"run {number}").output_names == ("a", "b", "c")
        with pytest.raises(InputError, match="3 outputs, but there are 2"):
            TabularExplainer(model, BACKGROUND, output_names=["a", "b"])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda rows: total(rows)[:-1], r"must return an array of shape \(10,\)"),
        (lambda rows: total(rows).sum(), "shape"),
        (lambda rows: total(rows)[:, None, None], "shape"),
        (lambda rows: np.zeros((len(rows), 0)), "no outputs"),
        (lambda rows: np.where(rows[:, 0] > 0, np.nan, 1.0), "predict returned nan for row"),
        (lambda rows: np.full(len(rows), np.inf), "predict returned inf for row 0"),
        (lambda rows: ["yes"] * len(rows), "what predict returns"),
        (lambda rows: None, "what predict returns"),
        (lambda rows: total(rows) * 1j, "what predict returns"),
        (lambda rows: RNG.normal(size=len(rows)), "for the same row"),
        (lambda rows: pd.Series(total(rows)).sort_values(), "0 to 9 in another order"),
        (lambda rows: pd.DataFrame({"y": total(rows)})[::-1], "0 to 9 in another order"),
    ],
)
def test_answers_that_cannot_be_used(answer, said):
    with pytest.raises(InputError, match=said):
        TabularExplainer(answer, BACKGROUND)


def test_nan_that_only_masked_rows_give():
    own = set(map(tuple, np.vstack([BACKGROUND, X])))

    def strict(rows):
        return np.array([1.0 if tuple(row) in own else np.nan for row in rows])

    with pytest.raises(InputError, match="masked rows"):
        TabularExplainer(strict, BACKGROUND)(X)


@pytest.mark.parametrize("link", ["identity", lambda worths: worths])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_a_row_without_an_answer_is_named_as_it_was_shown(link, n_outputs):
    shown = []

    def spoilt(rows):
        shown.append(len(rows))
        answers = np.tile(total(rows)[:, None], n_outputs)
        if shown.count(30) == 2:
            answers[13, -1] = np.nan
        return answers

    # Of the first batch of 30 masked rows, behind those of X.
    explainer = TabularExplainer(spoilt, BACKGROUND, link=link, batch_size=30, check_repeats=False)
    with pytest.raises(InputError, match="nan for row 13 of a batch of 30 masked rows"):
        explainer(RNG.normal(size=(30, 4)))


def test_a_model_that_answers_in_one_buffer():
    buffer = np.empty(4096)

    def reusing(rows):
        buffer[: len(rows)] = total(rows)
        return buffer[: len(rows)]

    found = TabularExplainer(reusing, BACKGROUND, batch_size=2)(X)
    np.testing.assert_allclose(found.values, EXPECTED, rtol=0, atol=1e-12)
    generator = np.random.default_rng(0)

    def random(rows):
        buffer[: len(rows)] = generator.normal(size=len(rows))
        return buffer[: len(rows)]

    with pytest.raises(InputError, match="for the same row"):
        TabularExplainer(random, BACKGROUND)


def test_a_model_that_changes_later():
    scale = [1.0]
    explainer = TabularExplainer(lambda rows: scale[0] * total(rows), BACKGROUND)
    np.testing.assert_array_equal(explainer(X).values, EXPECTED)
    scale[0] = 1.5
    with pytest.raises(InputError, match="make a new explainer"):
        explainer(X)


class Tensor:
    """What answers like a tensor that knows its gradient."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    def detach(self):
        return self

    def numpy(self):
        return self.values


def test_tensors():
    with pytest.raises(InputError, match=r"model\(X\).detach\(\).numpy\(\)"):
        TabularExplainer(lambda rows: Tensor(total(rows)), BACKGROUND)


@pytest.mark.parametrize(
    ("coefficient", "background", "row"),
    [(1.0, -1.7e308, 1.7e308), (1e200, -1e200, 1e200), (1.0, 1.7e308, 0.0), (1e300, 0.0, 1e10)],
)
def test_linear_models_whose_values_overflow(coefficient, background, row):
    with pytest.raises(InputError, match="overflow float64: divide"):
        TabularExplainer(([coefficient, 1.0], 0.0), np.full((4, 2), background))(
            np.full((1, 2), row)
        )


def test_predictions_whose_mean_overflows():
    with pytest.raises(InputError, match="overflows"):
        TabularExplainer(lambda rows: np.full(len(rows), 1e308), BACKGROUND)(X)


def test_another_number_of_outputs_later():
    def odd(rows):
        return np.ones((len(rows), 2 if len(rows) in (10,) else 3))

    with pytest.raises(InputError, match="after 2 in an earlier"):
        TabularExplainer(odd, BACKGROUND, check_repeats=False)(X)


def test_a_random_model_on_request():
    generator = np.random.default_rng(0)

    def noisy(rows):
        return total(rows) + generator.normal(size=len(rows)) * 1e-3

    with pytest.raises(InputError, match="check_repeats=False"):
        TabularExplainer(noisy, BACKGROUND)
    found = TabularExplainer(noisy, BACKGROUND, check_repeats=False)(X)
    np.testing.assert_allclose(found.values, EXPECTED, atol=0.01)


def test_few_rows_are_shown_twice_and_none_without_need():
    shown = []

    def counting(rows):
        shown.append(len(rows))
        return total(rows)

    TabularExplainer(counting, BACKGROUND)
    assert shown == [10, 10]
    shown.clear()
    explainer = TabularExplainer(counting, np.tile(BACKGROUND, (5, 1)), check_repeats=False)
    assert shown == [50]
    shown.clear()
    explainer(X)
    # Each row once for N, nothing for the empty coalition, the background for every other.
    assert sum(shown) == 3 + 3 * 14 * 50


def test_a_model_may_change_what_it_is_given():
    background, rows = BACKGROUND.copy(), X.copy()

    def greedy(table):
        answer = total(table)
        table[:] = np.nan
        return answer

    found = TabularExplainer(greedy, background)(rows)
    np.testing.assert_array_equal(found.values, EXPECTED)
    np.testing.assert_array_equal(background, BACKGROUND)
    np.testing.assert_array_equal(rows, X)
    frame = pd.DataFrame(BACKGROUND, columns=list("abcd"))
    table = pd.DataFrame(X, columns=list("abcd"))

    def greedy_frame(shown):
        answer = total(shown.to_numpy())
        shown["a"] = 0.0
        shown.loc[:, "b"] = np.nan
        return answer

    found = TabularExplainer(greedy_frame, frame)(table)
    np.testing.assert_array_equal(found.values, EXPECTED)
    np.testing.assert_array_equal(frame.to_numpy(), BACKGROUND)
    np.testing.assert_array_equal(table.to_numpy(), X)


def test_what_a_model_raises_is_passed_on():
    class MineError(Exception):
        pass

    def broken(rows):
        raise MineError("no")

    with pytest.raises(MineError):
        TabularExplainer(broken, BACKGROUND)


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("probit", "'identity', 'logit' or a function"),
        ("logit", "between 0 and 1"),
        (lambda worths: worths[:1], "same shape"),
        (lambda worths: worths * np.nan, "link returned nan"),
    ],
)
def test_links_that_cannot_be_used(link, said):
    with pytest.raises(InputError, match=said):
        TabularExplainer(total, BACKGROUND, link=link)(X)


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"memory": "1 potato"}, InputError, "'1GB'"),
        ({"memory": 10}, InputError, "at least 1MB"),
        ({"memory": 1.5}, TypeError, "integer"),
        ({"batch_size": 0}, InputError, "at least 1"),
        ({"n_threads": 0}, InputError, "n_threads"),
        ({"groups": [[0, 9]]}, InputError, "feature 9"),
        ({"groups": {"a": ["x"]}}, InputError, "'x'"),
    ],
)
def test_arguments_that_cannot_be_used(more, error, said):
    with pytest.raises(error, match=said):
        TabularExplainer(total, BACKGROUND, **more)


@pytest.mark.parametrize(
    ("text", "count"),
    [("1GB", 10**9), ("512 MiB", 512 << 20), ("2000K", 2 * 10**6), ("1.5gb", 1_500_000_000)],
)
def test_memory_is_read(text, count):
    assert TabularExplainer(total, BACKGROUND, memory=text)._memory == count
