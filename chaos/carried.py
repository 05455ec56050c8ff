"""
What a function carries of Stagefright: the in-function runtime as files of a package, for the layer, for a function's own directory
(`vendoring.py`), and for the packages of a stage that is deployed (`for_functions`, which `stagefright.targets.deploying.injection` asks for).

It is what the runtime needs and nothing else: boto3 is the runtime image's own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from typing import Any

from stagefright.chaos.faults.catalogue import KINDS, WRAPPER_KINDS
from stagefright.chaos.redirection import OWN_HANDLER_VARIABLE
from stagefright.chaos.runtime import (
    FUNCTION_VARIABLE,
    NAME_VARIABLES,
    STAGE_VARIABLE,
    parameter_name,
)

PACKAGE = "stagefright"
"""What it is imported as, and the directory that it lies in."""

PYTHON_MIN = (3, 11)
"""The oldest Python that the runtime runs on; an older one runs its function, without faults."""

OURS = f"{PACKAGE}.chaos"

ROOTS = (f"{OURS}.handler_hook", f"{OURS}.runtime")
"""What a function runs; all of ours that they import comes along."""

BESIDES = f"{PACKAGE}.late_imports"
"""What a function comes to import that lies outside of `stagefright.chaos`."""

REDIRECTION = "stagefright_handler"
"""
The module that stands before a function's own handler. It lies beside the package, and not in it: should a layer of an older version hide the
package, the function runs all the same.
"""

WRAPPER_NAME = "stagefright-wrapper"
"""The file in the layer that EXEC_WRAPPER_VARIABLE names, under /opt."""

EXEC_WRAPPER_VARIABLE = "AWS_LAMBDA_EXEC_WRAPPER"

APPCONFIG_VARIABLE = "FAILURE_APPCONFIG_CONFIGURATION"
"""With this variable failure-lambda reads AppConfig, and no parameter."""

LEFT_OUT = frozenset({f"{OURS}.legal_errors"})
"""What is looked at where faults are written, and not where they strike."""

INIT = '''\
"""The part of Stagefright that runs inside a function."""

__version__ = "{version}"
'''


def version() -> str:
    """The version of Stagefright."""
    return metadata.version(PACKAGE)


@cache
def files() -> dict[str, str]:
    """The files of the package by their path: `stagefright/chaos/runtime.py`."""
    found = {f"{PACKAGE}/__init__.py": INIT.format(version=version())}
    for module in sorted(_closure()):
        found[_path(module)] = _source(module) or ""
    return found


@dataclass(frozen=True)
class ForFunctions:
    """The runtime as a stage that is deployed puts it into its functions."""

    package: str = PACKAGE
    handler: str = f"{REDIRECTION}.handler"
    python_min: tuple[int, int] = PYTHON_MIN
    files: Mapping[str, bytes] = field(default_factory=dict)

    def variables(self, own_handler: Any, given: Mapping[str, Any], stage: str, function: str) -> dict[str, Any]:
        """What the function must be told: its own handler, and whose flag it obeys, unless `given` say that already."""
        mine = {OWN_HANDLER_VARIABLE: own_handler}
        return mine if _names_a_flag(given) else {**mine, STAGE_VARIABLE: stage, FUNCTION_VARIABLE: function}

    def parameter(self, given: Mapping[str, Any], stage: str, function: str) -> str | None:
        """The parameter of the flag that these variables name; None if its name was `given`, and so is not ours to allow."""
        return None if _names_a_flag(given) else parameter_name({STAGE_VARIABLE: stage, FUNCTION_VARIABLE: function})

    def reader_in(self, given: Mapping[str, Any], *, has_wrappers: bool) -> str | None:
        """
        What says that the function has a reader of flags.

        Without exec wrappers (`has_wrappers`) the layer is none, so what it would have done is done by us.
        """
        is_layered = given.get(EXEC_WRAPPER_VARIABLE) == f"/opt/{WRAPPER_NAME}"
        if given.get(APPCONFIG_VARIABLE):
            return f"its variable {APPCONFIG_VARIABLE} says that failure-lambda reads its flag"
        if is_layered:
            return "it has the layer, which reads its flag" if has_wrappers else None
        return "its variables name its flag, which it reads by itself" if _names_a_flag(given) else None


def _names_a_flag(variables: Mapping[str, Any]) -> bool:
    return any(map(variables.get, NAME_VARIABLES)) or all(map(variables.get, (STAGE_VARIABLE, FUNCTION_VARIABLE)))


def for_functions() -> ForFunctions:
    """The runtime of this version."""
    redirection = _home().joinpath("redirection.py").read_text("utf-8")
    found = {**files(), f"{REDIRECTION}.py": redirection}
    return ForFunctions(files={name: text.encode() for name, text in found.items()})


def _closure() -> set[str]:
    """The modules of ours that a function can come to import, packages included."""
    found: set[str] = set()
    # Faults are imported by the kinds that a flag names, which no import statement shows.
    waiting = [OURS, *ROOTS, *(f"{OURS}.faults.{kind}" for kind in KINDS + WRAPPER_KINDS)]
    while waiting:
        module = waiting.pop()
        if module not in found and module not in LEFT_OUT and _source(module) is not None:
            found.add(module)
            waiting += [module.rpartition(".")[0], *_imports(_source(module) or "")]
    return found


def _imports(source: str) -> Iterator[str]:
    """Every name that a source imports when it runs, now or later; some are modules, and some are things in them."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        elif not _is_for_type_checkers(node):
            waiting += ast.iter_child_nodes(node)


def _is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _source(module: str) -> str | None:
    """The source of a module of ours; None for what is none, or what a function does not carry."""
    if module == BESIDES:
        return resources.files("stagefright").joinpath("late_imports.py").read_text("utf-8")
    if module != OURS and not module.startswith(f"{OURS}."):
        return None
    file = _home().joinpath(_path(module).removeprefix(_path(OURS).removesuffix("__init__.py")))
    return file.read_text("utf-8") if file.is_file() else None


def _path(module: str) -> str:
    """Where a module of ours lies: `stagefright/chaos/faults/__init__.py`, `stagefright/chaos/runtime.py`."""
    place = module.replace(".", "/")
    is_package = module != BESIDES and _home().joinpath(*module.split(".")[2:], "__init__.py").is_file()
    return f"{place}/__init__.py" if is_package else f"{place}.py"


def _home() -> Traversable:
    return resources.files(OURS)
