"""A trained model and a table of real rows, for ``python -m shapley_core demo``."""
