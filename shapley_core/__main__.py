"""``python -m shapley_core``: see `shapley_core.cli`."""

import sys

from .cli import main

sys.exit(main())
