"""Shapley values, and any other index of any order, of tree models."""

import os
from collections.abc import Callable
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import indices
from ..arrays import check_integer, row_weights
from ..coalitions import InteractionSet
from ..errors import InputError
from ..explanation import Explanation
from ..indices import IndexSpec
from ..memory import check_memory
from ..players import Groups, Players
from ..runs import is_file
from ..runs.hashing import hash_of
from ..tables import Table
from ..threads import check_progress, even_blocks, resolve_threads, run_blocks
from ..top import TopExplanation
from ..trees.background import BackgroundRows, whole_weights
from ..trees.engines import Interventional, PathDependent
from ..trees.ensemble import TreeEnsemble
from ..trees.interactions import Interactions
from ..trees.paths import Paths
from ..trees.readers import read_model
from ..trees.stages import Stage
from .additivity import check_against, check_sizes, check_sums, summed
from .interactions import Plan, compute
from .long_runs import name_of_index, row_source, run_trees
from .model_rows import LiveModel
from .row_outputs import base_margins

Check = Literal["model", "trees"] | None


class TreeExplainer:
    """Explain a model made of trees, exactly.

    Parameters
    ----------
    model : object, path or TreeEnsemble
        Whatever `shapley_core.trees.read_model` reads.
    background : table of rows by features, optional
        Without one, the path-dependent game: a feature outside the coalition is averaged over
        both sides of every split on it, weighted by training cover (Lundberg et al. 2020,
        "From local explanations to global understanding", algorithm 1). With one, the
        interventional game over *all* its rows: such a feature takes the background row's value
        (the same paper, section on interventional perturbation).
    weights : array (n_background,), optional
        Non-negative weights of the background rows; equal by default.
    groups : mapping of name to features, or list of lists of features, optional
        Features, by name or number, that are one player together: a one-hot block, say. The value
        of a group is that of the game in which its features join at once, not a sum of theirs.
        What is in no group stays a player of its own; players are numbered by their first feature.
    iteration_range : (int, int), optional
        Boosting rounds to explain; by default those which the model's own ``predict`` uses.
    n_threads : int, optional
        Threads for reading the background; all cores by default.
    output : "raw", "probability", "log_loss" or callable
        What is explained: the raw margin, or else, with a background, a function of it. That is
        another game, and gives a `TreeOutputExplainer`, which says more.

    Attributes
    ----------
    expected_value : float64, or float64 (n_outputs,) where there are several outputs
        Worth of the empty coalition, in raw-margin units; fixed from construction on.
    ensemble : TreeEnsemble
    feature_names, output_names : tuple of str, or None
    players : Players
        Which features each player stands for.

    Raises
    ------
    UnsupportedModelError, ModelFileError
        As `read_model`; also a model without covers when there is no background.
    InputError
        If the background, its weights or the groups do not fit the model.

    Notes
    -----
    Values are in units of the raw margin (log-odds, log-rate, ...), unless ``output`` says else. An
    explainer is immutable: threads may share it, and it can be pickled (without the live model,
    whose place in the additivity check the read trees then take).
    """

    def __new__(cls, *given: Any, output: Any = "raw", **options: Any) -> Any:
        """Leave what is no raw margin to another class."""
        if isinstance(output, str) and output == "raw":
            return super().__new__(cls)
        from .output import TreeOutputExplainer

        return TreeOutputExplainer(*given, output=output, **options)

    def __init__(
        self,
        model: Any,
        background: Any = None,
        *,
        weights: ArrayLike | None = None,
        groups: Groups | None = None,
        iteration_range: tuple[int, int] | None = None,
        n_threads: int | None = None,
        output: Any = "raw",
    ) -> None:
        threads = resolve_threads(n_threads)
        self.ensemble: TreeEnsemble = read_model(model, iteration_range=iteration_range)
        check_sizes(self.ensemble)
        self.output_names = self.ensemble.output_names
        self._model = LiveModel.of(model, iteration_range)
        names = self.ensemble.feature_names
        self.players = Players.of(groups, self.ensemble.n_features, names)
        paths = Paths.of(self.ensemble, self.players)
        self._engine: PathDependent | Interventional
        self._background_hash: str | None = None
        if background is None:
            if weights is not None:
                raise InputError("weights are those of a background, but no background was given")
            self._engine = PathDependent(paths)
        else:
            rows = self._read_background(background, weights)
            self._engine = Interventional(paths, rows, threads)
        self._expected = self._engine.expected
        self._expected.setflags(write=False)
        self._plan: Plan | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the live model out: the libraries' own pickles differ between versions."""
        return {**self.__dict__, "_model": None, "_plan": None}

    def __repr__(self) -> str:
        mode = "path-dependent" if isinstance(self._engine, PathDependent) else "interventional"
        return f"TreeExplainer({mode}, {self.ensemble!r})"

    @property
    def expected_value(self) -> Any:
        """Worth of the empty coalition: a float64, or an array over outputs."""
        return self._expected[0] if self.ensemble.n_outputs == 1 else self._expected

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Names of the features, where the model has them."""
        return self.ensemble.feature_names

    def __call__(
        self,
        X: Any,
        *,
        index: str | IndexSpec = "SV",
        order: int = 1,
        top: int | None = None,
        n_threads: int | None = None,
        progress: Callable[[int, int], object] | None = None,
        check: Check = "model",
        base_margin: ArrayLike | None = None,
        out: str | os.PathLike[str] | None = None,
        chunk_rows: int | None = None,
    ) -> Any:
        """Explain every row of a table.

        Parameters
        ----------
        X : table of rows by features
            numpy array of any layout, pandas, polars or pyarrow table (columns are aligned by
            name), or scipy sparse matrix. With ``out`` also what `shapley_core.TableFile` takes:
            a CSV or Parquet file, a directory or a list of Parquet files, of any size.
        index : str or IndexSpec
            "SV", the Shapley value, or any other index; ``shapley_core.indices.names()`` lists
            them.
        order : int
            Largest size of an interaction.
        top : int, optional
            Keep only so many values of each row, those of largest size: the result is a
            `TopExplanation`, and the values of all rows are never held together.
        n_threads : int, optional
            All cores by default. The values do not depend on it.
        progress : callable of (rows done, rows in all), optional
        check : "model", "trees" or None
            Whether the values must sum to the prediction of the model itself (default; of the
            trees as read, where there is only a file), of the trees, or are not checked.
        base_margin : float array (n_rows,), or of several outputs (n_rows, n_outputs), optional
            Raw margins that rows start from in place of the model's own base score.
        out : path, optional
            A directory to write the values to, one Parquet file for each chunk of rows; where an
            earlier run stopped, the same call goes on. See docs/long-runs.md.
        chunk_rows : int, optional
            Rows of a chunk; by default as many as make 64 MiB of values, at most 262,144.

        Returns
        -------
        Explanation, or with ``out`` StoredExplanation
            values : float64 (n_rows, n_features), or (n_rows, n_features, n_outputs); with groups
            a column for each player instead. At order 2 and above one column for each of
            ``interactions``: all single features, and the sets of features that lie on a common
            path of some tree. All others are exactly 0 (for the generalised values and JointSV
            none is, and all are there).

        Raises
        ------
        InputError
            If the table, the index or another argument cannot be used.
        MemoryLimitError
            If the values would not fit in memory; explain fewer rows a call.
        AdditivityError
            If the values do not sum to the prediction. For an index whose values do not (nor its
            values of single features), if the trees do not.

        Notes
        -----
        Base values are the worth of the empty coalition, but for FBII and Fourier, which have a
        constant of their own, another one for each row.
        """
        spec = indices.get(index)
        order = check_integer(order, "order")
        check_against(check)
        threads = resolve_threads(n_threads)
        check_progress(progress)
        if out is not None:
            if top is not None:
                raise InputError("top and out do not go together; leave one of them out")
            return run_trees(
                self,
                row_source(X, self.ensemble, self.ensemble.table),
                out,
                settings={
                    **self._identity(),
                    "index": name_of_index(spec, self.players.n_players, order),
                },
                chunk_rows=chunk_rows,
                progress=progress,
                base_margin=base_margin,
                index=spec,
                order=order,
                check=check,
                n_threads=n_threads,
            )
        if is_file(X) or chunk_rows is not None:
            raise InputError("rows of files, and chunk_rows, need out: a directory for the values")
        table = self.ensemble.table(X)
        n_outputs = self.ensemble.n_outputs
        margin = None if base_margin is None else base_margins(base_margin, len(table), n_outputs)
        base = np.empty((table.n_rows, n_outputs))
        base[:] = self._expected
        if spec.name != "SV" or order != 1 or top is not None:
            return self._explain_index(
                table, base, margin, spec, order, top, threads, progress, check
            )
        shape = (table.n_rows, self.players.n_players, n_outputs)
        check_memory(
            8 * prod(shape),
            "the table of values",
            "Explain fewer rows a call",
        )
        values = np.zeros(shape)
        self._explain(table, values, threads, progress)
        if check is not None:
            self._check(table, summed(values, self._expected, threads), check, threads)
        return self._explanation(table, values, base, margin, spec, order)

    def _explain_index(
        self,
        table: Table,
        base: NDArray[np.float64],
        margin: NDArray[np.float64] | None,
        spec: IndexSpec,
        order: int,
        top: int | None,
        threads: int,
        progress: Callable[[int, int], object] | None,
        check: Check,
    ) -> Explanation | TopExplanation:
        """Explain by interactions: everything but Shapley values of order 1."""
        n_rows, kept = table.n_rows, None if top is None else check_integer(top, "top", 1)
        plan = self._plan
        if plan is None or plan.spec is not spec or plan.order != order:
            held = 8 * n_rows * self.ensemble.n_outputs if top is None else 8
            plan = self._plan = Plan(self._engine, spec, order, held)
        engine = plan.engine

        def told(done: int, _: int) -> object:
            return progress(done, n_rows) if progress is not None else None

        def fill(first: int, out: NDArray[np.float64]) -> None:
            self._explain(table, out, threads, told, engine, first)

        found = compute(plan, n_rows, kept, fill)
        if check is not None:
            sums = None if found.sums is None else found.sums + self._expected
            self._check(table, sums, check, threads)
        if found.constants is not None:
            base = self.ensemble.base + found.constants
        return self._explanation(
            table,
            found.values,
            base,
            margin,
            spec,
            order,
            plan.interactions,
            found.places,
        )

    def _check(
        self, table: Table, sums: NDArray[np.float64] | None, check: Check, threads: int
    ) -> None:
        model = self._model if check == "model" else None
        check_sums(self.ensemble, model, table, sums, threads)

    def _explanation(
        self,
        table: Table,
        values: NDArray[np.float64],
        base: NDArray[np.float64],
        margin: NDArray[np.float64] | None,
        spec: IndexSpec,
        order: int,
        interactions: InteractionSet | None = None,
        places: NDArray[np.int32] | None = None,
    ) -> Explanation | TopExplanation:
        if margin is not None:
            base = base - self.ensemble.base + margin
        single = self.ensemble.n_outputs == 1
        described: dict[str, Any] = {
            "index": spec.name,
            "order": order,
            "interactions": interactions,
            "feature_names": self.players.names or table.feature_names,
            "output_names": self.output_names,
        }
        values, base = (values[:, :, 0], base[:, 0]) if single else (values, base)
        if places is None:
            described["interactions"] = interactions if order > 1 else None
            groups = self.players.members if self.players.grouped else None
            return Explanation(
                values, base, table.source, groups=groups, absent_is_zero=True, **described
            )
        return TopExplanation(values, places[:, :, 0] if single else places, base, **described)

    def _identity(self) -> dict[str, Any]:
        """Return what the values depend on, for the manifest of a long run."""
        if self._background_hash is None and isinstance(self._engine, Interventional):
            # Of what was read: the user's table may have changed since.
            self._background_hash = hash_of(*self._engine.background.contents())
        return {
            "explainer": "TreeExplainer",
            "model": hash_of(self.ensemble),
            "background": self._background_hash,
            "groups": self.players.members if self.players.grouped else None,
        }

    def _read_background(self, background: Any, weights: ArrayLike | None) -> BackgroundRows:
        table = self.ensemble.table(background, "background")
        n_rows = table.n_rows
        if n_rows == 0:
            raise InputError("the background has no rows; give at least one")
        weight = row_weights(weights, n_rows, "row of the background")

        def read(start: int, stop: int) -> NDArray[np.float64]:
            return self.ensemble.columns(table.block(start, stop))

        return BackgroundRows(n_rows, whole_weights(weight), read, self.ensemble.block_rows)

    def _explain(
        self,
        table: Table,
        values: NDArray[np.float64],
        threads: int,
        progress: Callable[[int, int], object] | None,
        engine: Interactions | None = None,
        first: int = 0,
    ) -> None:
        """Add the values of rows ``first .. first + len(values) - 1``."""
        ensemble, n_rows = self.ensemble, len(values)
        if not ensemble.n_trees:
            return
        done = first * ensemble.n_trees
        for stage in (engine or self._engine).stages(n_rows, threads):

            def work(block: tuple[int, int], stage: Stage = stage) -> None:
                start, stop = block
                rows = table.block(first + start, first + stop)
                stage.add(ensemble.columns(rows), values[start:stop])

            def count(block: tuple[int, int], stage: Stage = stage) -> None:
                nonlocal done
                if progress is not None:
                    done += (block[1] - block[0]) * stage.n_trees
                    progress(done // ensemble.n_trees, table.n_rows)

            most = min(stage.n_rows, ensemble.most_rows)
            run_blocks(work, even_blocks(n_rows, most, threads, 8), threads, count)
