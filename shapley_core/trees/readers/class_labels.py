"""The labels of the classes that a live classifier was trained on."""

from typing import Any

import numpy as np


def class_labels(model: Any) -> tuple[Any, ...] | None:
    """Return them in the order of their codes, as Python's numbers and texts.

    None where the model does not say, or has classes of several targets.
    """
    found = getattr(model, "classes_", None)
    if found is None or isinstance(found, list):
        return None
    return tuple(
        label if isinstance(label, (bool, int, float, str)) else str(label)
        for label in np.asarray(found).tolist()
    )
