"""For all tests: one thread of BLAS, as threads that wait for a busy core take longer than one."""

import os

# Before anything imports numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
