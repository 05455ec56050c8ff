"""
The Lambda layer: the in-function runtime for Python functions, with no change to their code.

    stagefright layer build --output stagefright-layer.zip

A function that has the layer and `AWS_LAMBDA_EXEC_WRAPPER=/opt/stagefright-wrapper` is started by the wrapper, which puts the layer's directory
on the path of the interpreter; the `sitecustomize` in there wraps the handler (`handler_hook.py`). What else is in it, `carried.py` says.

The same sources give the same bytes, wherever and whenever they are packed: names are sorted, times are fixed, and nothing is compressed,
since the bytes of a compression depend on the version of zlib. So a layer's hash tells whether anything has changed.
"""

from __future__ import annotations

import io
import zipfile

from stagefright.chaos.carried import OURS, PYTHON_MIN, WRAPPER_NAME, files

SITE = "stagefright-site"
"""The directory in the layer that the wrapper puts on the path."""

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
    carried = {f"{SITE}/{name}": text for name, text in files().items()}
    return {WRAPPER_NAME: WRAPPER, f"{SITE}/sitecustomize.py": SITECUSTOMIZE, **carried}
