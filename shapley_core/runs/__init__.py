"""Long runs: values of more rows than memory holds, written part by part, stopped and resumed."""

from .run import Chunk, run
from .sources import RowSource, TableFile, TableSource, file_source, is_file
from .stored import StoredExplanation, open_explanation

__all__ = [
    "Chunk",
    "RowSource",
    "StoredExplanation",
    "TableFile",
    "TableSource",
    "file_source",
    "is_file",
    "open_explanation",
    "run",
]
