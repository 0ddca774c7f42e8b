"""The exceptions of the package; every one is a ``ValueError``, so callers may catch just that.

Each message says what was given, what is wanted and what to do.
"""


class InputError(ValueError):
    """Data, a game or an argument that cannot be used as given."""


class UnknownIndexError(InputError):
    """An index that is not defined: its name, its parameters, or the order."""


class UnknownColumnsError(InputError):
    """A table with columns that are no features of the model."""


class TableFileError(InputError):
    """A file that cannot be read as a table; the message names it."""


class BudgetError(InputError):
    """A budget too small for the estimator; the message names the least."""


class MemoryLimitError(InputError):
    """A request whose result or work space would not fit; the message says how much it takes."""


class ModelFileError(InputError):
    """A model file that is truncated, corrupted or not a model at all."""


class UnsupportedModelError(InputError):
    """A model, or a feature of a model, that cannot be explained exactly."""


class AdditivityError(ValueError):
    """Values that do not sum to the model's own prediction: never ignore it."""
