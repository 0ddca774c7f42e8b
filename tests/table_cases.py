"""Rows, and the kinds of frames that hold them."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

NAN = np.nan
ROWS = np.array([[1.0, NAN, 3.0], [0.0, -5.0, np.inf], [-0.0, 2.5, 1e300], [7.0, 8.0, 9.0]])
NAMES = ("a", "b", "c")
COLUMNS = {"a": ROWS[:, 0], "b": ROWS[:, 1], "c": ROWS[:, 2]}
FRAMES = {
    "pandas": pd.DataFrame,
    "pandas arrow": lambda d: pa.table(d).to_pandas(types_mapper=pd.ArrowDtype),
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
}


def whole(table):
    return np.asarray(table.block(0, table.n_rows))


def in_blocks(table, size):
    starts = range(0, table.n_rows, size)
    return np.concatenate([table.block(s, min(s + size, table.n_rows)) for s in starts])
