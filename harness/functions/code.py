"""
How a function's or layer's code comes to lie in a directory that an executor can import from.

A zip is unpacked once for each content, into a directory named by its SHA-256. A local directory is used where it is,
so that breakpoints, coverage and edits concern the user's own files.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.services.lambda_limits import UNZIPPED_BYTES_MAX, ZIPPED_UPLOAD_BYTES_MAX

ReadS3 = Callable[[str, str, str | None], bytes]
"""Reads an object by bucket, key and version; a refusal is an `ApiError` with S3's code."""

UNTRACKED_DIRECTORIES = frozenset({"__pycache__", "node_modules"})
"""Not looked at when a local directory is fingerprinted: large, and derived from files that are looked at."""


@dataclass(frozen=True, slots=True)
class Code:
    """Code at rest: the directory that stands for `/var/task` (or a layer's `/opt`), and how AWS describes it."""

    root: Path
    sha256: str
    """Base64, as `CodeSha256`."""
    size: int
    """Bytes, as `CodeSize`."""
    in_place: bool = False
    """True for a local directory, which the harness reads but never owns."""
    source: Path | None = None
    """The directory of the user's that it was packaged from, if that is known."""


class CodeStore:
    """All code of a world, under one `directory` that the world owns and removes."""

    def __init__(self, directory: Path, read_s3: ReadS3) -> None:
        self._directory = directory
        self._read_s3 = read_s3

    def resolve(self, parameters: Mapping[str, Any], *, runtime: str | None = None) -> Code:
        """
        The code that `Code` (CreateFunction), `Content` (PublishLayerVersion) or UpdateFunctionCode names.

        `LocalPath` is ours: the absolute path of a directory or zip, which the template deployer passes, and `SourcePath` where that was
        made from. A `ZipFile` of type str is CloudFormation's inline text.
        """
        zip_file = parameters.get("ZipFile")
        if isinstance(zip_file, str):
            return self.from_inline(zip_file, runtime=runtime)
        if zip_file is not None:
            return self.from_zip(_within_upload_limit(bytes(zip_file)))
        if "LocalPath" in parameters:
            code = self.from_local(Path(parameters["LocalPath"]))
            return replace(code, source=Path(parameters["SourcePath"])) if "SourcePath" in parameters else code
        if "S3Bucket" in parameters:
            return self.from_s3(parameters["S3Bucket"], parameters.get("S3Key"), parameters.get("S3ObjectVersion"))
        raise ApiError("InvalidParameterValueException", "Please provide a source for function code.", Type="User")

    def from_inline(self, text: str, *, runtime: str | None = None) -> Code:
        """Inline text, as the one file `index.py` (or `index.js`) that CloudFormation makes of it."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as bundle:
            # ZipInfo's fixed date keeps equal text equal to the byte, whenever it is packed.
            bundle.writestr(zipfile.ZipInfo(inline_file_name(runtime)), text)
        return self.from_zip(archive.getvalue())

    def from_s3(self, bucket: str, key: str | None, version: str | None) -> Code:
        """A zip that lies in the world's S3."""
        if not key:
            raise ApiError("InvalidParameterValueException", "Please provide a source for function code.", Type="User")
        try:
            content = self._read_s3(bucket, key, version)
        except ApiError as refusal:
            message = (
                f"Error occurred while GetObject. S3 Error Code: {refusal.code}. S3 Error Message: {refusal.message}"
            )
            raise ApiError("InvalidParameterValueException", message, Type="User") from refusal
        return self.from_zip(content)

    def from_local(self, path: Path) -> Code:
        """A directory, used in place, or a zip file on this machine's disk."""
        if path.is_dir():
            sha256, size = _fingerprint(path)
            return Code(path, sha256, size, in_place=True)
        if path.is_file():
            return self.from_zip(path.read_bytes())
        message = (
            f"The code at {path} was asked for, but there is no such directory or zip file. "
            "Build the package first (for example `sam build`), or correct CodeUri in the template."
        )
        raise ApiError("InvalidParameterValueException", message, Type="User")

    def from_zip(self, content: bytes) -> Code:
        """The content of a zip, unpacked unless equal content was before."""
        digest = hashlib.sha256(content)
        root = self._directory / digest.hexdigest()
        if not root.is_dir():
            self._unpack(content, root)
        return Code(root, base64.b64encode(digest.digest()).decode(), len(content))

    def _unpack(self, content: bytes, root: Path) -> None:
        # Only a complete directory ever carries the content's name.
        partial = root.with_name(f"{root.name}.partial")
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as bundle:
                _refuse_unsafe(bundle.infolist())
                _extract(bundle, partial)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError) as fault:
            shutil.rmtree(partial, ignore_errors=True)
            message = "Could not unzip uploaded file. Please check your file, then try to upload again."
            raise ApiError("InvalidParameterValueException", message, Type="User") from fault
        partial.rename(root)


def inline_file_name(runtime: str | None) -> str:
    """
    The file that inline code becomes.

    >>> inline_file_name("nodejs22.x"), inline_file_name("python3.12")
    ('index.js', 'index.py')
    """
    return "index.js" if (runtime or "").startswith("nodejs") else "index.py"


def import_roots(code: Code, layers: Sequence[Code], runtime: str) -> tuple[Path, ...]:
    """
    The directories a Python function imports from, first match first.

    As on Lambda: the function's own code, then `/opt/python/lib/python3.x/site-packages`, then `/opt/python`. Layers
    are merged into `/opt` in order, so a later layer hides an earlier one.
    """
    newest_first = list(reversed(layers))
    packages = [layer.root / "python" / "lib" / runtime / "site-packages" for layer in newest_first]
    plain = [root for layer in newest_first if (root := _layer_python(layer)) is not None]
    return (code.root, *(path for path in packages if path.is_dir()), *plain)


def _layer_python(layer: Code) -> Path | None:
    python = layer.root / "python"
    if python.is_dir():
        return python
    # A local layer that was not built yet: `sam build` would move these files below python/.
    return layer.root if layer.in_place else None


def _within_upload_limit(content: bytes) -> bytes:
    encoded_size = 4 * ((len(content) + 2) // 3)
    if encoded_size > ZIPPED_UPLOAD_BYTES_MAX:
        message = f"Request must be smaller than {ZIPPED_UPLOAD_BYTES_MAX} bytes for the CreateFunction operation"
        raise ApiError("RequestEntityTooLargeException", message, status=413)
    return content


def _refuse_unsafe(entries: Sequence[zipfile.ZipInfo]) -> None:
    if not entries:
        raise ApiError("InvalidParameterValueException", "Uploaded file must be a non-empty zip", Type="User")
    for entry in entries:
        if _escapes(entry.filename):
            message = (
                f"Could not unzip uploaded file: its entry {entry.filename!r} would be written outside the function's "
                "directory. Please check your file, then try to upload again."
            )
            raise ApiError("InvalidParameterValueException", message, Type="User")
    if sum(entry.file_size for entry in entries) >= UNZIPPED_BYTES_MAX:
        message = f"Unzipped size must be smaller than {UNZIPPED_BYTES_MAX} bytes"
        raise ApiError("InvalidParameterValueException", message, Type="User")


def _escapes(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or bool(re.match(r"[A-Za-z]:", name))


def _extract(bundle: zipfile.ZipFile, directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for entry in bundle.infolist():
        extracted = Path(bundle.extract(entry, directory))
        mode = entry.external_attr >> 16
        # zipfile forgets permissions; a custom runtime's `bootstrap` must stay executable.
        if mode & stat.S_IXUSR and extracted.is_file():
            extracted.chmod(0o755)


def _fingerprint(directory: Path) -> tuple[str, int]:
    """
    A hash that changes when a file is added, removed or edited, and the total size.

    Names, sizes and modification times stand for the contents: reading a vendored package tree for each deployment
    would cost more than the deployment.
    """
    digest, total = hashlib.sha256(str(directory).encode()), 0
    for name, size, modified_ns in sorted(_files(directory, "")):
        digest.update(f"{name}\0{size}\0{modified_ns}\n".encode())
        total += size
    return base64.b64encode(digest.digest()).decode(), total


def _files(directory: Path, prefix: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(".") and entry.name not in UNTRACKED_DIRECTORIES:
                    yield from _files(Path(entry.path), f"{prefix}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                yield prefix + entry.name, status.st_size, status.st_mtime_ns
