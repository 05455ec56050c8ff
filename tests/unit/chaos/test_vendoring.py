"""The runtime among a function's own code: what is written, what is kept, and what is never touched."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stagefright.chaos.carried import files, version
from stagefright.chaos.vendoring import MARK, vendor
from stagefright.errors import UsageError
from stagefright.fixtures.cli import main


def state(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def test_the_decorator_works_with_nothing_else(tmp_path):
    """In a process that has no other Stagefright, and without boto3: a function that names no flag needs none."""
    vendor(tmp_path)
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from stagefright.chaos.runtime import inject_faults\n"
        "import stagefright\n"
        "print(inject_faults(lambda event, context: event)(7, None), stagefright.__version__, stagefright.__file__)"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False)

    assert done.stderr == ""
    assert done.stdout.split() == ["7", version(), str(tmp_path / "stagefright" / "__init__.py")]


def test_it_is_written_and_told(tmp_path):
    """The whole package, with its version."""
    done = vendor(tmp_path)

    assert state(tmp_path).keys() == {*files(), f"stagefright/{MARK}"}
    assert str(done) == f"{tmp_path / 'stagefright'}: written, version {version()} ({len(files()) + 1} files)"


def test_done_again_it_changes_nothing(tmp_path):
    """Not even the times of files, so a build that looks at them has nothing to do."""
    vendor(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    assert str(vendor(tmp_path)).endswith(f"is up to date, version {version()}")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_an_older_copy_is_brought_up_to_date(tmp_path):
    """What is new or changed is written, what is no more is removed, and bytecode of it goes."""
    vendor(tmp_path)
    wanted, package = state(tmp_path), tmp_path / "stagefright"
    (package / MARK).write_text("0.0.9\n")
    (package / "chaos" / "runtime.py").write_text("old")
    (package / "chaos" / "gone.py").write_text("old")
    (package / "chaos" / "__pycache__").mkdir()
    (package / "chaos" / "__pycache__" / "gone.pyc").write_text("old")

    done = vendor(tmp_path)

    assert state(tmp_path) == wanted
    assert str(done).endswith(f"brought up to date, version 0.0.9 to {version()} (2 written, 1 removed)")


@pytest.mark.parametrize("there", ["stagefright/__init__.py", "stagefright.py"])
def test_what_it_has_not_made_is_left_alone(tmp_path, there):
    """An installed Stagefright, or a stranger's module of that name."""
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text("mine")

    with pytest.raises(UsageError, match="no copy that `stagefright vendor` has made"):
        vendor(tmp_path)

    assert state(tmp_path) == {there: b"mine"}


def test_a_directory_that_is_not_there(tmp_path):
    """None is made: a misspelt path must not look like success."""
    with pytest.raises(UsageError, match="is no directory"):
        vendor(tmp_path / "nowhere")


def test_the_verb(tmp_path, capsys):
    """Several directories at once; then what is left to do."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()

    assert main(["vendor", str(tmp_path / "one"), str(tmp_path / "two")]) == 0

    told = capsys.readouterr().out
    assert told.count(": written, version") == 2
    assert "ssm:GetParameter" in told


def test_the_verb_ends_with_the_message_alone(tmp_path, capsys):
    """No traceback for what the user can mend."""
    assert main(["vendor", str(tmp_path / "nowhere")]) == 2
    assert "is no directory" in capsys.readouterr().err
