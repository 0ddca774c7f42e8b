"""Build the Cython kernels; everything else is declared in pyproject.toml.

Switches (environment variables, set to 1):

SHAPLEY_CORE_DEBUG     bounds and None checks in the kernels, no optimisation, assertions on
SHAPLEY_CORE_COVERAGE  line tracing, for coverage of the kernels on CPython 3.11 and 3.12
"""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext as setuptools_build_ext

DEBUG = os.environ.get("SHAPLEY_CORE_DEBUG") == "1"
COVERAGE = os.environ.get("SHAPLEY_CORE_COVERAGE") == "1"
KERNELS = Path("shapley_core/_kernels")
UTILITY = "shapley_core._kernels._cyutility"

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "nonecheck": DEBUG,
    "cdivision": True,
    "embedsignature": True,
    "freethreading_compatible": True,
    "linetrace": COVERAGE,
}


def compile_args() -> list[str]:
    if sys.platform == "win32":
        return ["/Od"] if DEBUG else ["/O2", "/fp:precise"]
    # No -ffast-math (NaN is a value here) and no -march (wheels must run elsewhere);
    # contraction is off so that every build gives the same bits.
    fixed = ["-fno-math-errno", "-ffp-contract=off"]
    return [*fixed, "-O0", "-g"] if DEBUG else [*fixed, "-O3", "-g0"]


class build_ext(setuptools_build_ext):  # noqa: N801
    """Also leave the kernels beside their sources.

    ``python -m`` puts the working directory first on the path, so in a checkout the package is
    imported from the source tree even after ``pip install .``; it must find its kernels there.
    """

    def run(self) -> None:
        super().run()
        if not self.inplace:
            self.copy_extensions_to_source()


def extensions() -> list[Extension]:
    macros = [("CYTHON_TRACE_NOGIL", "1")] if COVERAGE else []
    link = [] if sys.platform in ("win32", "darwin") or DEBUG else ["-Wl,-s"]
    options = {
        "extra_compile_args": compile_args(),
        "extra_link_args": link,
        "define_macros": macros,
        "include_dirs": [str(KERNELS)],
    }
    sources = sorted(KERNELS.glob("*.pyx"))
    headers = sorted(map(str, KERNELS.glob("*.h")))
    # An sdist holds what extensions depend on; for their sources it takes the C these become.
    kernels = [
        Extension(
            f"shapley_core._kernels.{p.stem}", [str(p)], depends=[str(p), *headers], **options
        )
        for p in sources
    ]
    shared = sorted(map(str, KERNELS.glob("*.pxd")))
    return cythonize(
        [*kernels, Extension(UTILITY, [], depends=shared, **options)],
        compiler_directives=DIRECTIVES,
        shared_utility_qualified_name=UTILITY,
        build_dir="build/cython",
        force=DEBUG or COVERAGE,
    )


setup(
    ext_modules=extensions(),
    cmdclass={"build_ext": build_ext},
    options={"build_ext": {"parallel": os.cpu_count()}},
)
