"""``python -m shapley_core``: see `shapley_core.cli`."""

import sys


def main() -> int:
    """Run one command; interrupted as `cli.main` is, also while it is imported."""
    try:
        # Takes longer than many a command.
        from .cli import main as run

        return run()
    except KeyboardInterrupt:
        print("shapley-core: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
