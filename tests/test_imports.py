"""Who may import whom, and what ``import shapley_core`` costs and pulls in."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import shapley_core

PACKAGE = Path(shapley_core.__file__).parent
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))

LOW = {"_kernels", "arrays", "errors", "memory", "threads"}
GAME = LOW | {"coalitions", "indices", "transforms", "game", "result"}
TREES = {"trees", "tables", "explanation", "top"}

# The longest entry that a module's name starts with holds for it. Everybody may import its own
# kind (a module those beside it under the same entry), nobody what is not named.
MAY_IMPORT = {
    "_kernels": set(),
    "errors": set(),
    "arrays": {"errors"},
    "memory": {"arrays", "errors"},
    "threads": {"_kernels", "arrays", "errors"},
    "players": {"arrays", "errors"},
    "coalitions": {"_kernels", "arrays", "errors", "memory"},
    "indices": {"arrays", "errors", "coalitions"},
    "transforms": LOW | {"coalitions", "indices"},
    "game": LOW | {"coalitions", "indices"},
    "whole_files": set(),
    "archive": {"errors", "memory", "whole_files"},
    "result_file": {"archive", "coalitions"},
    "dense": {"arrays", "errors", "memory", "coalitions", "indices"},
    "arithmetic": {"errors", "indices"},
    "result": LOW | {"arithmetic", "coalitions", "dense", "indices", "result_file"},
    "exact": GAME,
    "conversions": GAME,
    "games": GAME,
    "structures": GAME,
    "ground_truth": GAME | {"exact", "games"},
    # An oracle that shares a table or a kernel with what it judges proves nothing.
    "reference": {"errors"},
    "estimators": GAME | {"exact"},
    # Its model of the game is read and explained like any other tree model.
    "estimators.proxy": GAME | {"exact", "estimators", "trees"},
    "frames": {"errors"},
    "tables": {"errors", "frames"},
    "explanation_file": {"archive", "tables"},
    "explanation": {"arrays", "errors", "coalitions", "dense", "result", "tables"}
    | {"explanation_file"},
    "top": {"arrays", "errors", "coalitions", "result"},
    "runs": LOW | TREES | {"explanation_file", "files", "frames", "whole_files", ""},
    "trees": LOW | {"coalitions", "players", "tables"},
    "trees.readers": {"errors", "trees.ensemble", "trees.tree"},
    "imputers": LOW | {"coalitions", "frames", "tables"},
    "explainers": GAME
    | TREES
    | {"estimators", "exact", "files", "frames", "imputers", "players", "runs"},
    "global_views": GAME
    | TREES
    | {"dense", "estimators", "exact", "explainers", "imputers", "players", "runs"},
    "examples": set(),
    "files": LOW | TREES | {"whole_files"},
    "cli": LOW | GAME | TREES | {"explainers", "files", "runs", ""},
    "__main__": {"cli"},
    "": GAME
    | TREES
    | {"exact", "conversions", "games", "structures", "ground_truth"}
    | {"estimators", "explainers", "imputers", "runs", "global_views"},
}


def starts_with(name, prefix):
    return name == prefix or name.startswith(prefix + ".")


def module_name(path):
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def rule_of(name):
    if name == "":
        return ""
    return max((r for r in MAY_IMPORT if r and starts_with(name, r)), key=len, default=None)


def is_module(name):
    path = PACKAGE.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists() or path.with_suffix(".pyx").exists()


def imported_modules(path, tree):
    """Names within the package of every module that a file imports, at any depth."""
    package = list(path.parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if starts_with(alias.name, "shapley_core"):
                    yield alias.name.partition(".")[2]
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                base = package[: len(package) - node.level + 1]
                source = ".".join([*base, *([source] if source else [])])
            elif starts_with(source, "shapley_core"):
                source = source.partition(".")[2]
            else:
                continue
            for alias in node.names:
                inner = f"{source}.{alias.name}" if source else alias.name
                yield inner if is_module(inner) else source


def offences(path, text):
    name = module_name(path)
    rule = rule_of(name)
    if rule is None:
        return [f"{name}: say in MAY_IMPORT what it may import"]
    allowed = MAY_IMPORT[rule]
    return [
        f"{name} imports {target or 'the package'}"
        for target in imported_modules(path, ast.parse(text))
        if rule_of(target) != rule
        and target not in allowed
        and not any(other and starts_with(target, other) for other in allowed)
        # A package may gather up what lies within it.
        and not (path.name == "__init__.py" and name and starts_with(target, name))
    ]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_who_imports_whom(path):
    assert offences(path, (PACKAGE / path).read_text()) == []


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("indices/spec.py", "from ..game import Game", ["indices.spec imports game"]),
        ("reference/literal.py", "def f():\n from ..indices.tables import x", ["indices.tables"]),
        ("trees/readers/xgboost.py", "from .. import paths", ["imports trees.paths"]),
        ("trees/readers/xgboost.py", "from ..tree import Tree\nfrom . import ubjson", []),
        ("result.py", "from . import __version__", ["imports the package"]),
        ("tables.py", "import shapley_core.cli", ["tables imports cli"]),
        ("explainers/tree.py", "from shapley_core.cli import main", ["imports cli"]),
        ("plots.py", "", ["plots: say in MAY_IMPORT"]),
    ],
)
def test_the_rules_bite(path, text, found):
    seen = offences(Path(path), text)
    assert len(seen) == len(found)
    assert all(part in line for part, line in zip(found, seen, strict=True))


def top_level(tree):
    """Statements that run on import."""
    todo = list(tree.body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            todo.extend(ast.iter_child_nodes(node))


@pytest.mark.parametrize("path", FILES, ids=str)
def test_only_numpy_is_imported_with_a_module(path):
    roots = set()
    for node in top_level(ast.parse((PACKAGE / path).read_text())):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            roots.add((node.module or "").partition(".")[0])
    assert roots <= sys.stdlib_module_names | {"numpy"}


def in_a_fresh_process(code):
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_import_is_quick_and_pulls_in_numpy_alone():
    code = """
import sys, time
before = set(sys.modules)
start = time.process_time()
import shapley_core
print(time.process_time() - start)
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""
    # Processor time, and the best of three: other work on the machine is not ours.
    for _ in range(3):
        seconds, names = in_a_fresh_process(code).splitlines()
        if float(seconds) < 0.5:
            break
    else:
        pytest.fail(f"importing takes {seconds} s")
    # Cython registers its own run-time helpers beside the kernels.
    ours = ("_cython_", "cython_runtime", "_cyutility")
    new = {name for name in names.split() if not name.startswith(ours)}
    assert new <= sys.stdlib_module_names | {"numpy", "shapley_core"}


def test_parts_that_the_docs_name_are_there_from_the_start():
    texts = [PACKAGE.parent / "README.md", *(PACKAGE.parent / "docs").glob("*.md")]
    named = {name for text in texts for name in re.findall(r"\bsc\.\w+\.\w+", text.read_text())}
    assert "sc.global_views.LossGame" in named
    for name in sorted(named):
        in_a_fresh_process(f"import shapley_core as sc; {name}")


def test_every_module_is_imported_without_any_optional_library():
    modules = [".".join(["shapley_core", module_name(path)]).rstrip(".") for path in FILES]
    modules = [name for name in modules if not name.endswith("__main__")]
    in_a_fresh_process(f"""
import importlib, sys
allowed = set(sys.stdlib_module_names) | {{"numpy", "shapley_core"}}
class Blocked:
    def find_spec(name, path=None, target=None):
        if path is None and name not in allowed and not name.startswith("_cython_"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked)
for name in {modules!r}:
    importlib.import_module(name)
""")


ORDERS = ["shapley xgboost lightgbm", "lightgbm xgboost shapley"]


@pytest.mark.parametrize("order", ORDERS)
def test_beside_xgboost_and_lightgbm_in_both_orders(order):
    # Each brings its own OpenMP; all must still run, on threads, after either order of import.
    in_a_fresh_process(f"""
import numpy as np
X = np.random.default_rng(0).normal(size=(2000, 4))
y = X[:, 0] * X[:, 1]
def shapley():
    from shapley_core.explainers import TreeExplainer
def xgboost():
    import xgboost
def lightgbm():
    import lightgbm
for step in (lambda: None, {", ".join(order.split())}):
    step()
from shapley_core.explainers import TreeExplainer
import xgboost, lightgbm
models = [
    xgboost.train({{"nthread": 2}}, xgboost.DMatrix(X, y), 3),
    lightgbm.train({{"verbose": -1, "num_threads": 2}}, lightgbm.Dataset(X, y), 3),
]
native = [
    models[0].predict(xgboost.DMatrix(X), pred_contribs=True),
    models[1].predict(X, pred_contrib=True),
]
for model, expected in zip(models, native):
    values = TreeExplainer(model)(X, n_threads=2).values
    np.testing.assert_allclose(values, expected[:, :-1], rtol=0, atol=1e-5)
""")
