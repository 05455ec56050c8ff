"""Deployment packages are the same bytes for the same content, whatever machine, time or order made them."""

from __future__ import annotations

import io
import os
import zipfile

import pytest

from stagefright.targets.deploying.zipping import BEGINNING, digest_of, is_zip, zip_bytes


@pytest.fixture
def source(tmp_path):
    directory = tmp_path / "src"
    for name in ("b.py", "a.py", "lib/c.py", "__pycache__/a.pyc", ".git/HEAD", "venv/pyvenv.cfg", "venv/x.py", "d.pyc"):
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    (directory / "b.py").chmod(0o700)
    (directory / "a.py").chmod(0o600)
    return directory


def package(path):
    return zipfile.ZipFile(io.BytesIO(zip_bytes(path)))


def test_a_package_holds_what_functions_need_in_order(source):
    """And no bytecode, version control or virtual environment, which would change it at every run."""
    assert package(source).namelist() == ["a.py", "b.py", "lib/c.py"]


def test_a_package_says_nothing_of_when_and_by_whom_it_was_made(source):
    """One date for all; everybody may read, since Lambda's user is another one; programs stay programs."""
    entries = {entry.filename: entry for entry in package(source).infolist()}
    assert {entry.date_time for entry in entries.values()} == {BEGINNING}
    assert {name: oct(entry.external_attr >> 16) for name, entry in entries.items()} == {
        "a.py": "0o100644",
        "b.py": "0o100755",
        "lib/c.py": "0o100644",
    }


def test_the_same_content_gives_the_same_bytes_and_number(source, tmp_path):
    """Times and what is left out do not count; content, names and the right to run do."""
    before, number = zip_bytes(source), digest_of(source)
    os.utime(source / "a.py", (0, 0))
    (source / "__pycache__" / "new.pyc").write_text("new")
    assert (zip_bytes(source), digest_of(source)) == (before, number)
    (source / "a.py").chmod(0o700)
    assert digest_of(source) != number
    (source / "a.py").chmod(0o600)
    (source / "lib" / "c.py").write_text("other")
    assert digest_of(source) != number


def test_a_link_is_followed(source, tmp_path):
    """As `sam package` does: shared code is often linked into functions."""
    (tmp_path / "shared.py").write_text("shared")
    (source / "shared.py").symlink_to(tmp_path / "shared.py")
    assert package(source).read("shared.py") == b"shared"


def test_a_single_file_is_a_package_of_one(source):
    """CodeUri may name a file."""
    assert package(source / "a.py").namelist() == ["a.py"]
    assert not is_zip(source / "a.py")
    (source / "ready.zip").write_bytes(zip_bytes(source))
    assert is_zip(source / "ready.zip")
