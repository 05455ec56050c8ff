"""
The Lambda layer: the in-function runtime for Python functions, with no change to their code.

    stagefright layer build --output stagefright-layer.zip

A function that has the layer and `AWS_LAMBDA_EXEC_WRAPPER=/opt/stagefright-wrapper` is started by the wrapper, which puts the layer's directory
on the path of the interpreter; the `sitecustomize` in there wraps the handler (`handler_hook.py`). In the layer is what the runtime needs
and nothing else: boto3 is the runtime image's own.

The same sources give the same bytes, wherever and whenever they are packed: names are sorted, times are fixed, and nothing is compressed,
since the bytes of a compression depend on the version of zlib. So a layer's hash tells whether anything has changed.
"""

from __future__ import annotations

import ast
import io
import zipfile
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable

from stagefright.chaos.faults.catalogue import KINDS, WRAPPER_KINDS

WRAPPER_NAME = "stagefright-wrapper"
"""The file in the layer that AWS_LAMBDA_EXEC_WRAPPER names, under /opt."""

SITE = "stagefright-site"
"""The directory in the layer that the wrapper puts on the path."""

PYTHON_MIN = (3, 11)
"""The oldest Python that the runtime runs on; an older one runs its function, without faults."""

OURS = "stagefright.chaos"

ROOTS = (f"{OURS}.handler_hook", f"{OURS}.runtime")
"""What a function runs; all of ours that they import comes along."""

BESIDES = "stagefright.late_imports"
"""What a function comes to import that lies outside of `stagefright.chaos`."""

LEFT_OUT = frozenset({f"{OURS}.legal_errors"})
"""What is looked at where faults are written, and not where they strike."""

WRAPPER = f"""\
#!/bin/sh
# Started by Lambda in the runtime's stead, with the runtime's command line. Nothing here may keep the runtime from starting.
here=$(dirname -- "$0")
export PYTHONPATH="$here/{SITE}${{PYTHONPATH:+:$PYTHONPATH}}"
exec "$@"
"""

SITECUSTOMIZE = f'''\
"""Run by Python when it starts. It lets the handler of this function obey its flag; see Stagefright's docs/faults.md, "The layer"."""

import os
import sys

if sys.version_info >= {PYTHON_MIN}:
    try:
        from {OURS}.handler_hook import start
    except Exception as problem:
        sys.stdout.write("stagefright's layer cannot be used, so no fault strikes: %r\\n" % (problem,))
    else:
        start(os.path.dirname(os.path.abspath(__file__)))
else:
    sys.stdout.write("stagefright's layer needs Python {PYTHON_MIN[0]}.{PYTHON_MIN[1]} or newer, so no fault strikes.\\n")
'''

_PACKED_AT = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can hold."""


def build() -> bytes:
    """The layer, as the bytes of a zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, text in sorted(contents().items()):
            entry = zipfile.ZipInfo(name, _PACKED_AT)
            entry.create_system = 3  # Unix, wherever it is packed: only there does a file have the right to be executed
            entry.external_attr = (0o100755 if name == WRAPPER_NAME else 0o100644) << 16
            archive.writestr(entry, text)
    return buffer.getvalue()


def contents() -> dict[str, str]:
    """The files of the layer, by their path under /opt."""
    files = {WRAPPER_NAME: WRAPPER, f"{SITE}/sitecustomize.py": SITECUSTOMIZE}
    files[f"{SITE}/stagefright/__init__.py"] = '"""The part of Stagefright that runs inside a function."""\n'
    for module in sorted(_closure()):
        files[f"{SITE}/{_path(module)}"] = _source(module) or ""
    return files


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
