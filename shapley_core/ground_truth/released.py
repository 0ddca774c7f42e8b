"""Files of the package that are what they were when it was released, or refused."""

from hashlib import sha256
from pathlib import Path


class GroundTruthError(ValueError):
    """A stored game that is damaged, or an engine whose values are not the stored ones."""


def released_bytes(path: Path, checksum: str, what: str, advice: str) -> bytes:
    """The content of a file with that SHA-256.

    Raises
    ------
    GroundTruthError
        If it is missing or has another checksum.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise GroundTruthError(f"{what}: {path} cannot be read; {advice}") from error
    found = sha256(content).hexdigest()
    if found != checksum:
        raise GroundTruthError(
            f"{what}: {path} has the SHA-256 {found} but should have {checksum}: it is damaged or "
            f"was changed; {advice}"
        )
    return content
