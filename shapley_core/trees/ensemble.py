"""The one form in which every tree library's model reaches the kernels: a structure of arrays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._kernels import forest
from ..errors import InputError, ModelFileError
from ..tables import Table, as_table
from ..threads import resolve_threads, row_blocks, run_blocks
from .tree import LEAF, Tree, frozen, join

BLOCK_ROWS = 4096
BLOCK_BYTES = 1 << 25


@dataclass(frozen=True, eq=False)
class TreeEnsemble:
    """A validated sum of trees: ``base + sum of leaves``, in raw-margin space.

    Build it with `from_trees` or `shapley_core.trees.read_model`. Arrays are read-only; node
    numbers are counted over all trees.

    Parameters
    ----------
    n_features, n_outputs : int
    base : float64 (n_outputs,)
        Added to every row.
    tree_offsets : int64 (n_trees + 1,)
        Nodes of tree ``t`` are ``tree_offsets[t] .. tree_offsets[t + 1] - 1``, the root first.
    tree_outputs : int64 (n_trees,)
        Output that column 0 of a tree's values is added to.
    feature, threshold, flags, left, right, values
        As in `Tree`, with children counted over all trees.
    cover : float64 (n_nodes,) or None
    set_number : int64 (n_nodes,)
        Which category set a categorical node tests.
    set_offsets, set_words : int64 (n_sets + 1,), uint64
        The sets as bit masks: bit ``c & 63`` of word ``set_offsets[i] + (c >> 6)``.
    comparison : "<" or "<="
        A row goes left where ``x comparison threshold``.
    input_dtype : "float32" or "float64"
        The type that the library rounds features to before it compares.
    missing : float
        This value stands for a missing one, as NaN always does.
    integer_dtype : "float32" or "float64"
        The type that the library rounds arrays of whole numbers to before anything else.
    sparse_absent : "missing" or "zero"
        What an entry absent from a sparse matrix is.
    feature_names, output_names : tuple of str, or None
    classes : tuple of labels, or None
        Of a classifier of one target, its classes as labels name them, in the order of their codes.
    categories : mapping of feature number to its category labels in code order
        For columns of a table whose categories are labels.
    unseen_category : "error" or "missing"
        What the library does with a label that is not in ``categories``.
    category_values : mapping of feature number to increasing numbers, in code order
        For features whose categories are numbers: arrays hold these, other finite numbers are
        missing, and infinities refused.
    categorical_columns : "codes", "values", "labels" or "refused"
        What a categorical column of a frame stands for where ``categories`` has no labels for it;
        with "labels" it is refused, and so are arrays, which have none.
    takes_missing, takes_infinite : bool
        Whether the library predicts rows with NaN and with infinities; if not, they are refused.
    sum_dtype : "float32" or "float64"
        The type that the library adds leaves in.
    library, objective : str
        Where the model comes from and what it was trained for, for messages and ``info``.
    """

    n_features: int
    n_outputs: int
    base: NDArray[np.float64]
    tree_offsets: NDArray[np.int64]
    tree_outputs: NDArray[np.int64]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    flags: NDArray[np.uint8]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    values: NDArray[np.float64]
    cover: NDArray[np.float64] | None
    set_number: NDArray[np.int64]
    set_offsets: NDArray[np.int64]
    set_words: NDArray[np.uint64]
    comparison: Literal["<", "<="]
    input_dtype: Literal["float32", "float64"]
    missing: float = float("nan")
    integer_dtype: Literal["float32", "float64"] = "float64"
    sparse_absent: Literal["missing", "zero"] = "zero"
    feature_names: tuple[str, ...] | None = None
    output_names: tuple[str, ...] | None = None
    classes: tuple[Any, ...] | None = None
    categories: Mapping[int, Sequence[Any]] = field(default_factory=dict)
    unseen_category: Literal["error", "missing"] = "error"
    category_values: Mapping[int, Sequence[float]] = field(default_factory=dict)
    categorical_columns: Literal["codes", "values", "labels", "refused"] = "codes"
    takes_missing: bool = True
    takes_infinite: bool = True
    sum_dtype: Literal["float32", "float64"] = "float64"
    library: str = ""
    objective: str = ""

    @classmethod
    def from_trees(
        cls,
        trees: Sequence[Tree],
        *,
        n_features: int,
        n_outputs: int,
        base: ArrayLike,
        comparison: Literal["<", "<="],
        input_dtype: Literal["float32", "float64"],
        **described: Any,
    ) -> "TreeEnsemble":
        """Join trees into an ensemble.

        Raises
        ------
        ModelFileError
            If the trees are not trees (children out of range, shared or in a cycle), or hold
            features, outputs, leaf values, covers or categories that cannot be.
        """
        joined = join(trees, n_features, n_outputs)
        return cls(
            n_features=n_features,
            n_outputs=n_outputs,
            base=frozen(np.broadcast_to(np.asarray(base, np.float64), (n_outputs,)).copy()),
            comparison=comparison,
            input_dtype=input_dtype,
            **joined,
            **described,
        )

    def __post_init__(self) -> None:
        for name, allowed in (
            ("comparison", ("<", "<=")),
            ("input_dtype", ("float32", "float64")),
            ("integer_dtype", ("float32", "float64")),
            ("sparse_absent", ("missing", "zero")),
            ("unseen_category", ("error", "missing")),
            ("categorical_columns", ("codes", "values", "labels", "refused")),
            ("sum_dtype", ("float32", "float64")),
        ):
            if getattr(self, name) not in allowed:
                raise InputError(f"{name} must be one of {allowed}, not {getattr(self, name)!r}")
        for name, count in (("feature_names", self.n_features), ("output_names", self.n_outputs)):
            given = getattr(self, name)
            if given is not None and len(given) != count:
                raise ModelFileError(f"the model has {len(given)} {name} but {count} were expected")
        if self.classes is not None and not 1 <= len(self.classes) <= max(2, self.n_outputs):
            raise ModelFileError(
                f"the model has {len(self.classes)} classes, but {self.n_outputs} outputs"
            )
        if not np.isfinite(self.base).all():
            raise ModelFileError(f"the model's base value is not finite: {self.base}")

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is derived; the kernels' view cannot be pickled."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __repr__(self) -> str:
        return (
            f"TreeEnsemble({self.library or 'custom'}, {self.n_trees} trees, {self.n_nodes} nodes, "
            f"depth {self.max_depth}, {self.n_features} features, {self.n_outputs} outputs)"
        )

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.tree_outputs)

    @property
    def n_nodes(self) -> int:
        """Number of nodes, leaves included."""
        return len(self.feature)

    @property
    def n_leaves(self) -> int:
        """Number of leaves."""
        return int(np.count_nonzero(self.feature == LEAF))

    @cached_property
    def depth(self) -> NDArray[np.int64]:
        """Number of tests on the way to each node."""
        depth = np.zeros(self.n_nodes, np.int64)
        frontier = self.tree_offsets[:-1]
        level = 0
        while len(frontier):
            depth[frontier] = level
            inner = frontier[self.feature[frontier] != LEAF]
            frontier = np.concatenate([self.left[inner], self.right[inner]])
            level += 1
        return depth

    @cached_property
    def max_depth(self) -> int:
        """Number of tests on the longest path."""
        return int(self.depth.max(initial=0))

    @cached_property
    def kernel(self) -> forest.Forest:
        """The arrays as the kernels take them: every threshold in the form ``x <= threshold``."""
        return forest.Forest(
            self.tree_offsets,
            self.tree_outputs,
            self.feature,
            self.inclusive_threshold,
            self.flags,
            self.left,
            self.right,
            self.set_number,
            self.set_offsets,
            self.set_words,
            self.values,
        )

    @cached_property
    def inclusive_threshold(self) -> NDArray[np.float64]:
        """Every threshold in the form ``x <= threshold``: float64 (n_nodes,)."""
        if self.comparison == "<=":
            return self.threshold
        dtype = np.dtype(self.input_dtype).type
        with np.errstate(over="ignore"):
            strict = self.threshold.astype(dtype)
        below = np.nextafter(strict, dtype(-np.inf)).astype(np.float64)
        # Nothing is below -inf: a test that no number passes.
        below[strict == -np.inf] = np.nan
        return below

    def columns(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Prepare dense rows for the kernels: features by rows, rounded as the library rounds.

        Parameters
        ----------
        rows : numeric array (n_rows, n_features)

        Returns
        -------
        float64 (n_features, n_rows), C-contiguous; missing values are NaN.

        Raises
        ------
        InputError
            If there is a missing or infinite value and the library refuses those.
        """
        if rows.dtype.kind in "iub":
            rows = rows.astype(self.integer_dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            rounded = rows.T.astype(self.input_dtype)
            missing = np.dtype(self.input_dtype).type(self.missing)
        if not np.isnan(missing):
            rounded[rounded == missing] = np.nan
        if not self.takes_missing and np.isnan(rounded).any():
            raise InputError("there are missing values in the rows, which this model refuses")
        if not self.takes_infinite and np.isinf(rounded).any():
            raise InputError(
                f"there are values in the rows that are infinite in {self.input_dtype}, which "
                "this model refuses"
            )
        prepared = np.ascontiguousarray(rounded, dtype=np.float64)
        for feature, known in self.category_values.items():
            if np.isinf(prepared[feature]).any():
                raise InputError(f"feature {feature} of the rows has categories, but is infinite")
            prepared[feature] = _codes(prepared[feature], np.asarray(known, np.float64))
        return prepared

    def sum_leaves(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum the leaves, without the base, of rows prepared by `columns`.

        Returns
        -------
        float64 (n_rows, n_outputs)
        """
        sums = np.zeros((columns.shape[1], self.n_outputs))
        forest.predict(self.kernel, columns, sums)
        return sums

    @cached_property
    def block_rows(self) -> int:
        """Rows handled at a time."""
        return min(self.most_rows, BLOCK_ROWS)

    @property
    def most_rows(self) -> int:
        """At most so many at a time, so that a block of input stays within tens of megabytes."""
        return max(BLOCK_BYTES // (8 * max(self.n_features, 1)), 8)

    @cached_property
    def largest_sums(self) -> NDArray[np.float64]:
        """Largest sum, base and leaves, that each output could have: float64 (n_outputs,)."""
        largest = np.abs(self.base)
        if self.n_trees:
            most = np.maximum.reduceat(np.abs(self.values), self.tree_offsets[:-1])
            for k in range(self.values.shape[1]):
                np.add.at(largest, self.tree_outputs + k, most[:, k])
        return largest

    @cached_property
    def trees_of_outputs(self) -> NDArray[np.int64]:
        """Number of trees that add to each output: int64 (n_outputs,)."""
        width = self.values.shape[1]
        first = np.bincount(self.tree_outputs, minlength=self.n_outputs)
        counts: NDArray[np.int64] = np.convolve(first, np.ones(width, np.int64))
        return counts[: self.n_outputs]

    def table(self, X: Any, what: str = "X") -> Table:
        """Check a user's table, which messages call ``what``, against what the model wants."""
        return as_table(
            X,
            n_features=self.n_features,
            feature_names=self.feature_names,
            categories=self.categories,
            unseen_category=self.unseen_category,
            sparse_absent=self.sparse_absent,
            categorical_columns=self.categorical_columns,
            what=what,
        )

    def predict(self, X: Any, n_threads: int | None = 1) -> NDArray[np.float64]:
        """Sum base and leaves in float64: the raw margin.

        Parameters
        ----------
        X : table (n_rows, n_features)
            A numeric array, by position; or what `TreeExplainer` takes, frames by name.
        n_threads : int or None
            None uses all cores.

        Returns
        -------
        float64 (n_rows,), or (n_rows, n_outputs) where there are several outputs.
        """
        n_rows, read = self._reader(X)
        out = np.empty((n_rows, self.n_outputs))

        def work(block: tuple[int, int]) -> None:
            start, stop = block
            out[start:stop] = self.base + self.sum_leaves(self.columns(read(start, stop)))

        run_blocks(work, row_blocks(n_rows, self.block_rows), resolve_threads(n_threads))
        return out[:, 0] if self.n_outputs == 1 else out

    def apply(self, X: Any) -> NDArray[np.int64]:
        """Find the leaf of each row in each tree.

        Returns
        -------
        int64 (n_rows, n_trees): node numbers within the tree, which are the library's own unless
        the model held nodes that cannot be reached.
        """
        n_rows, read = self._reader(X)
        out = np.empty((n_rows, self.n_trees), np.int64)
        for start, stop in row_blocks(n_rows, self.block_rows):
            forest.apply(self.kernel, self.columns(read(start, stop)), out[start:stop])
        return out

    def _reader(self, X: Any) -> tuple[int, Callable[[int, int], NDArray[Any]]]:
        """Count the rows of a table, and tell how to read some of them as numbers."""
        if not isinstance(X, np.ndarray) or isinstance(X, np.ma.MaskedArray):
            table = self.table(X)
            return table.n_rows, table.block
        rows = X
        if rows.ndim != 2 or rows.shape[1] != self.n_features:
            raise InputError(
                f"X has shape {rows.shape}; wanted (n_rows, {self.n_features}), "
                "one column for each feature of the model"
            )
        if rows.dtype.kind not in "fiub":
            raise InputError(f"X has dtype {rows.dtype}; wanted numbers (float, int or bool)")
        return len(rows), lambda start, stop: rows[start:stop]


def _codes(values: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Number the values by their places among the known ones; NaN for others."""
    if not len(known):
        return np.full(len(values), np.nan)
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[place] == values, place, np.nan)
