"""The stub beside each kernel says what the compiled kernel takes."""

import ast
import importlib
import re
from pathlib import Path

import pytest

import shapley_core

KERNELS = Path(shapley_core.__file__).parent / "_kernels"
NAMES = sorted(path.stem for path in KERNELS.glob("*.pyx"))

SCALARS = {"double": "float", "int": "int", "int32_t": "int", "int64_t": "int", "bint": "bool"}
SCALARS |= {"uint32_t": "int", "uint64_t": "int", "uint8_t": "int", "Py_ssize_t": "int"}
ITEMS = {"double": "float64", "float": "float32", "int32_t": "int32", "int64_t": "int64"}
ITEMS |= {
    "int8_t": "int8",
    "uint16_t": "uint16",
    "uint8_t": "uint8",
    "uint32_t": "uint32",
    "uint64_t": "uint64",
    "bint": "bool_",
}


def as_stub(declared):
    """The stub's form of one C argument: ``const double[:, ::1] x`` is ``x: NDArray[...]``."""
    kind, name = declared.removeprefix("const ").rsplit(" ", 1)
    item = re.fullmatch(r"(\w+) ?\[[:, 1]+\]", kind)
    if item:
        return name, f"NDArray[np.{ITEMS[item[1]]}]"
    return name, SCALARS.get(kind, kind)


def arguments_of(text):
    """Split what stands between the first bracket and its partner, at outer commas."""
    inner, depth, parts = text[text.index("(") + 1 :], 0, [""]
    for letter in inner:
        depth += (letter in "([") - (letter in ")]")
        if depth < 0:
            break
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    parts = [" ".join(part.split()) for part in parts]
    return [as_stub(part) for part in parts if part and part != "self"]


def stub(name):
    """Functions and classes of the stub, each with its arguments as (name, annotation)."""
    found = {}
    for node in ast.parse((KERNELS / f"{name}.pyi").read_text()).body:
        functions = [node] if isinstance(node, ast.FunctionDef) else []
        if isinstance(node, ast.ClassDef):
            found[node.name] = []
            functions = [part for part in node.body if isinstance(part, ast.FunctionDef)]
        for function in functions:
            assert not function.args.defaults, f"{function.name}: kernels have no defaults"
            key = node.name if function.name == "__init__" else function.name
            found[key] = [
                (argument.arg, ast.unparse(argument.annotation))
                for argument in function.args.args
                if argument.arg != "self"
            ]
    return found


def is_method(name, thing):
    """Whether it is no attribute and nothing that Python or Cython adds."""
    return not name.startswith("_") and callable(thing)


def compiled(name):
    """The same, from the signatures that Cython embeds; a constructor's from its source."""
    module = importlib.import_module(f"shapley_core._kernels.{name}")
    found = {}
    for key, thing in vars(module).items():
        if key.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if isinstance(thing, type):
            source = (KERNELS / f"{name}.pyx").read_text().partition(f"cdef class {key}")[2]
            start = source.find("def __cinit__(")
            found[key] = arguments_of(source[start:]) if start >= 0 else []
            methods = {at: one for at, one in vars(thing).items() if is_method(at, one)}
        else:
            methods = {key: thing}
        for at, one in methods.items():
            found[at] = arguments_of(one.__doc__.splitlines()[0])
    return found


@pytest.mark.parametrize("name", NAMES)
def test_stub_is_the_kernels_signature(name):
    assert stub(name) == compiled(name)


@pytest.mark.parametrize("name", NAMES)
def test_out_comes_last(name):
    for key, arguments in compiled(name).items():
        names = [argument for argument, _ in arguments]
        assert "out" not in names[:-1], f"{name}.{key}"


def test_every_stub_has_its_kernel():
    assert sorted(path.stem for path in KERNELS.glob("*.pyi")) == NAMES


def test_how_c_arguments_are_read():
    text = "f(Forest forest, const double[:, ::1] columns, int64_t n, uint64_t[::1] out)\nmore"
    assert arguments_of(text) == [
        ("forest", "Forest"),
        ("columns", "NDArray[np.float64]"),
        ("n", "int"),
        ("out", "NDArray[np.uint64]"),
    ]
