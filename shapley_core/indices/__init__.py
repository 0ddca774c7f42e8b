"""Indices (to be completed)."""

_ADD_UP = {"k-SII", "STII", "FSII", "FBII", "JointSV", "Moebius", "Fourier"}


def adds_up(name: str) -> bool:
    """Whether the values of all sizes together describe the game."""
    return name in _ADD_UP
