import pickle
from dataclasses import replace

import numpy as np
import pytest

from shapley_core.errors import InputError, ModelFileError
from shapley_core.trees import Tree, TreeEnsemble
from shapley_core.trees import tree as nodes


def stump(**changes):
    arrays = {
        "feature": [0, -1, -1],
        "threshold": [0.5, 0, 0],
        "left": [1, -1, -1],
        "right": [2, -1, -1],
        "flags": [0, 0, 0],
        "values": [[0.0], [1.0], [2.0]],
        "cover": [3, 1, 2],
    }
    return Tree(**{**arrays, **changes})


def ensemble(*trees, comparison="<=", input_dtype="float64", n_outputs=1, **described):
    return TreeEnsemble.from_trees(
        trees,
        n_features=2,
        n_outputs=n_outputs,
        base=10.0,
        comparison=comparison,
        input_dtype=input_dtype,
        **described,
    )


def side(model, x):
    """0 where the rows go left, 1 where they go right."""
    rows = np.column_stack([x, np.zeros(len(x))])
    return model.predict(rows) - 11.0


def test_comparison_at_the_threshold():
    x = np.array([np.nextafter(0.5, 0), 0.5, np.nextafter(0.5, 1), -np.inf, np.inf, np.nan])
    assert side(ensemble(stump()), x).tolist() == [0, 0, 1, 0, 1, 1]
    assert side(ensemble(stump(), comparison="<"), x).tolist() == [0, 1, 1, 0, 1, 1]
    # rounded to float32, all three neighbours are the threshold itself
    narrow = ensemble(stump(), comparison="<", input_dtype="float32")
    assert side(narrow, x).tolist() == [1, 1, 1, 0, 1, 1]


@pytest.mark.parametrize("infinite", [np.inf, -np.inf])
def test_infinite_thresholds(infinite):
    x = np.array([-np.inf, 0.0, np.inf])
    tree = stump(threshold=[infinite, 0, 0])
    assert side(ensemble(tree), x).tolist() == (1 - (x <= infinite)).tolist()
    assert side(ensemble(tree, comparison="<"), x).tolist() == (1 - (x < infinite)).tolist()


def test_missing_rules():
    x = np.array([np.nan, 0.0, -0.0, 1e-35, -1e-35, 1.1e-35, 5e-324, -999.0])
    default_left = stump(threshold=[-1.0, 0, 0], flags=[nodes.DEFAULT_LEFT, 0, 0])
    assert side(ensemble(default_left), x).tolist() == [0, 1, 1, 1, 1, 1, 1, 0]
    zero = stump(threshold=[-1.0, 0, 0], flags=[nodes.DEFAULT_LEFT | nodes.ZERO_IS_MISSING, 0, 0])
    assert side(ensemble(zero), x).tolist() == [0, 0, 0, 0, 0, 1, 0, 0]
    marked = ensemble(stump(threshold=[-1.0, 0, 0]), missing=-999.0)
    assert side(marked, x).tolist() == [1, 1, 1, 1, 1, 1, 1, 1]


def test_category_sets():
    codes = [0, 3, 63, 64, 200]
    x = np.array([0, 3.7, 63, 64, 200, 1, 65, 201, 1e9, 1e300, np.inf, -1, -0.5, -np.inf, np.nan])
    member = np.isin(np.floor(x), codes)
    left = stump(flags=[nodes.CATEGORICAL | nodes.SET_GOES_LEFT, 0, 0], category_sets={0: codes})
    assert side(ensemble(left), x).tolist() == (1 - member).tolist()
    right = stump(flags=[nodes.CATEGORICAL | nodes.DEFAULT_LEFT, 0, 0], category_sets={0: codes})
    expected = member.astype(float)
    assert side(ensemble(right), x).tolist() == expected.tolist()
    truncates = stump(
        flags=[nodes.CATEGORICAL | nodes.SET_GOES_LEFT | nodes.TRUNCATES, 0, 0],
        category_sets={0: codes},
    )
    expected = 1 - member
    expected[x == -0.5] = 0
    assert side(ensemble(truncates), x).tolist() == expected.tolist()


def test_apply_counts_within_the_tree_and_leaves_of_several_outputs():
    vector = {"values": [[0, 0], [1, -1], [2, -2]]}
    model = ensemble(stump(**vector), stump(**vector), n_outputs=2)
    rows = np.array([[0.0, 0], [1.0, 0]])
    assert model.apply(rows).tolist() == [[1, 1], [2, 2]]
    assert model.predict(rows).tolist() == [[12, 8], [14, 6]]
    scalar = ensemble(stump(output=0), stump(output=1), stump(output=1), n_outputs=2)
    assert scalar.predict(rows).tolist() == [[11, 12], [12, 14]]


def test_unreachable_nodes_are_dropped():
    tree = Tree(
        feature=[1, 0, -1, -1, -1],
        threshold=[0.5, 0, 0, 0, 0],
        left=[3, 2, -1, -1, -1],
        right=[4, 2, -1, -1, -1],
        flags=[0] * 5,
        values=[[0.0], [0], [9], [1], [2]],
    )
    model = ensemble(tree, tree)
    assert model.n_nodes == 6
    assert model.predict([[5, 0], [5, 1]]).tolist() == [12, 14]
    assert model.cover is None


def test_layouts_threads_and_pickle_agree():
    rng = np.random.default_rng(0)
    model = pickle.loads(pickle.dumps(ensemble(stump(), stump(threshold=[-0.3, 0, 0]))))
    rows = rng.normal(size=(10_000, 2)).astype(np.float32)
    rows.setflags(write=False)
    expected = 10 + 1 + (rows[:, 0] > 0.5) + 1 + (rows[:, 0].astype(float) > -0.3)
    for given in (rows, np.asfortranarray(rows), rows.astype(float), np.repeat(rows, 2, 0)[::2]):
        for n_threads in (1, 3, None):
            assert (model.predict(given, n_threads=n_threads) == expected).all()
    assert model.predict(rows[:0]).shape == (0,)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"left": [0, -1, -1]}, "left child"),
        ({"left": [3, -1, -1]}, "left child"),
        ({"right": [1, -1, -1]}, "two parents"),
        ({"feature": [2, -1, -1]}, "feature 2"),
        ({"feature": [-2, -1, -1]}, "feature -2"),
        ({"values": [[0], [np.nan], [0]]}, "leaf value"),
        ({"threshold": [np.nan, 0, 0]}, "threshold"),
        ({"threshold": [0.5]}, "1 of threshold"),
        ({"cover": [1, np.nan, 2]}, "cover"),
        ({"cover": [1]}, "of cover"),
        ({"output": 1}, "output 1"),
        ({"flags": [nodes.CATEGORICAL, 0, 0]}, "no category set"),
        ({"category_sets": {0: [-1]}}, "category set"),
        ({"feature": []}, "no nodes"),
    ],
)
def test_damaged_trees_are_refused(changes, message):
    with pytest.raises(ModelFileError, match=message):
        ensemble(stump(**changes))


def test_negative_covers_are_none():
    assert ensemble(stump(cover=[1, 2, -1])).cover is None


def test_classes_are_no_more_than_outputs():
    with pytest.raises(ModelFileError, match="3 classes, but 1 outputs"):
        replace(ensemble(stump()), classes=("a", "b", "c"))


def test_a_cycle_is_refused():
    tree = Tree([0, 0, -1, 0], [0.0] * 4, [1, 3, -1, 1], [2, 2, -1, 2], [0] * 4, [[0.0]] * 4)
    with pytest.raises(ModelFileError, match="cycle"):
        ensemble(tree)


def test_wrong_rows_are_refused():
    model = ensemble(stump())
    with pytest.raises(InputError, match=r"\(3,\)"):
        model.predict([1, 2, 3])
    with pytest.raises(InputError, match="2"):
        model.predict(np.zeros((4, 3)))
    with pytest.raises(InputError, match="dtype"):
        model.predict(np.array([["a", "b"]]))
