"""Imports point one way, and every module can be imported alone. `make check` runs this file."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LAYERS = {"harness": "stagefright", "chaos": "stagefright.chaos", "fixtures": "stagefright.fixtures"}
"""Our folders and what each is imported as."""

MAY_NOT_IMPORT = {
    "harness": ("stagefright.chaos", "stagefright.fixtures", "pytest", "_pytest"),
    "chaos": ("stagefright.fixtures", "pytest", "_pytest"),
    "fixtures": (),
}
PUBLIC = {"stagefright", "stagefright.chaos", "stagefright.chaos.checks"}


def sources(folder: str) -> list[Path]:
    """The Python files below a folder of the repository, without what a build left there (`.aws-sam`)."""
    files = (ROOT / folder).rglob("*.py")
    return sorted(file for file in files if not any(part.startswith(".") for part in file.relative_to(ROOT).parts))


def module_name(file: Path) -> str:
    """The name that a file is imported as."""
    folder, *rest = file.relative_to(ROOT).with_suffix("").parts
    return ".".join([LAYERS[folder], *(part for part in rest if part != "__init__")])


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)


def modules() -> list[str]:
    """Every module of the package."""
    return [module_name(file) for folder in LAYERS for file in sources(folder)]


def packages() -> list[str]:
    """Every package, that is every module that can be a table of contents."""
    return [module_name(file) for folder in LAYERS for file in sources(folder) if file.name == "__init__.py"]


def below(name: str, package: str) -> bool:
    """Whether `name` is `package` or something in it."""
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize("folder", LAYERS)
def test_arrows_point_down(folder):
    """The harness knows neither faults nor pytest; faults do not know pytest."""
    wrong = [
        f"{file.relative_to(ROOT)}:{line} imports {name}"
        for file in sources(folder)
        for line, name in imports(file)
        if any(below(name, forbidden) for forbidden in MAY_NOT_IMPORT[folder])
    ]

    assert wrong == []


def test_scenarios_use_public_names_only():
    """A scenario is what a user writes, so it imports what a user may: the names in three tables of contents."""
    public = {f"{package}.{name}" for package in PUBLIC for name in importlib.import_module(package).__all__}
    wrong = [
        f"{file.relative_to(ROOT)}:{line} imports {name}"
        for file in sources("scenarios")
        for line, name in imports(file)
        if below(name, "stagefright") and name not in PUBLIC | public
    ]

    assert wrong == []


def test_folders_are_never_imported_by_their_own_names():
    """`harness`, `chaos` and `fixtures` are names of the users' repositories; ours are inside `stagefright`."""
    wrong = [
        f"{file.relative_to(ROOT)}:{line} imports {name}"
        for folder in [*LAYERS, "scenarios", "benchmarks"]
        for file in sources(folder)
        for line, name in imports(file)
        if name.split(".")[0] in LAYERS
    ]

    assert wrong == []


def test_each_module_imports_alone():
    """
    No module needs another to have been imported first, and none warns on import.

    One process for all, which forgets our modules between two imports: a process each would take minutes.
    """
    script = """
import importlib, sys
for name in sys.argv[1:]:
    for loaded in [one for one in sys.modules if one.split(".")[0] == "stagefright"]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except BaseException as error:
        print(f"{name}: {type(error).__name__}: {error}")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *modules()], capture_output=True, text=True, check=False
    )

    assert done.stdout + done.stderr == ""


def test_plugin_costs_no_heavy_import():
    """A plugin that is loaded but unused has imported neither boto3 nor moto, nor anything else that takes long."""
    heavy = ["boto3", "botocore", "moto", "requests", "samtranslator", "time_machine", "urllib3", "yaml"]
    script = f"import sys, stagefright.fixtures.plugin; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []


@pytest.mark.parametrize("package", packages())
def test_tables_of_contents(package):
    """Each `__all__` is sorted, without repeats, and everything in it can be had."""
    module = importlib.import_module(package)
    names = getattr(module, "__all__", [])

    assert list(names) == sorted(set(names))
    assert [name for name in names if not hasattr(module, name)] == []


@pytest.mark.parametrize("package", sorted(PUBLIC))
def test_public_packages_have_a_table_of_contents(package):
    """What users may import is listed, and no other name in a public package looks public."""
    module = importlib.import_module(package)
    looks_public = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and name != "annotations" and not inspect.ismodule(value)
    }

    assert module.__all__
    assert looks_public <= set(module.__all__)


def test_every_package_is_in_the_wheel():
    """setuptools cannot find packages below a mapped folder by itself, so pyproject.toml lists each one."""
    found = set(packages())
    homes = {module_name(file.parent / "__init__.py") for folder in LAYERS for file in sources(folder)}

    assert sorted(homes - found) == [], "a folder with modules but no __init__.py"
    assert PROJECT["tool"]["setuptools"]["packages"] == sorted(found)


def test_every_third_party_import_is_declared():
    """What the package imports comes with it: as a dependency or an extra, or as part of one."""
    extras = {name: lines for name, lines in PROJECT["project"]["optional-dependencies"].items() if name != "dev"}
    lines = [*PROJECT["project"]["dependencies"], *(line for extra in extras.values() for line in extra)]
    declared = {re.split(r"[\[<>=~! ]", line)[0].lower() for line in lines}
    comes_along = {
        "botocore": "boto3",
        "_pytest": "pytest",
        "pluggy": "pytest",
        "urllib3": "requests",
        "referencing": "jsonschema",
        "openapi_spec_validator": "moto",
    }
    # What is patched if the user has it is imported by code that runs within it only.
    patched = {"aiohttp", "anyio", "httpcore", "httpx"}
    distributions = importlib.metadata.packages_distributions()
    undeclared = [
        f"{file.relative_to(ROOT)}:{line} imports {name}"
        for folder in LAYERS
        for file in sources(folder)
        for line, name in imports(file)
        if (top := name.split(".")[0]) not in sys.stdlib_module_names | {"stagefright"} | patched
        if comes_along.get(top) not in declared
        if not declared & {one.lower() for one in distributions.get(top, [])}
    ]

    assert undeclared == []
