from __future__ import annotations

import errno
import os
import pathlib
import tempfile

import pytest

from stagefright.chaos import DiskFull
from stagefright.chaos.faults import disk_limits
from stagefright.chaos.faults.disk_full import MEGABYTE
from stagefright.chaos.faults.fault import Reader
from stagefright.chaos.faults.points import Invocation
from stagefright.errors import UsageError

WRITER = """
    import os, pathlib, shutil, tempfile, threading, uuid

    def by_open(path, size):
        with open(path, "wb") as file:
            file.write(b"x" * size)

    def by_text(path, size):
        with open(path, "w") as file:
            file.write("x" * size)

    def by_pathlib(path, size):
        pathlib.Path(path).write_bytes(b"x" * size)

    def by_tempfile(path, size):
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"x" * size)
            file.flush()

    def by_descriptor(path, size):
        fd = os.open(path, os.O_CREAT | os.O_WRONLY)
        try:
            for _ in range(2):
                os.write(fd, b"x" * (size // 2))
        finally:
            os.close(fd)

    def by_shutil(path, size):
        shutil.copyfile(SOURCE, path)

    def by_thread(path, size):
        found = []
        def work():
            try:
                by_open(path, size)
            except OSError as error:
                found.append(error)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if found:
            raise found[0]

    def elsewhere(path, size):
        with open(os.path.join(os.environ["ELSEWHERE"], "file"), "wb") as file:
            file.write(b"x" * size)

    SOURCE = os.environ.get("SOURCE")

    def handler(event, context):
        path = os.path.join(tempfile.gettempdir(), "stagefright-test-" + uuid.uuid4().hex)
        try:
            globals()[event["how"]](path, event["size"])
        except OSError as error:
            return [error.errno, os.path.getsize(path) if os.path.exists(path) else None]
        finally:
            if os.path.exists(path):
                os.remove(path)
        return "written"
"""
WAYS = ["by_open", "by_text", "by_pathlib", "by_tempfile", "by_descriptor", "by_shutil", "by_thread"]


@pytest.fixture
def writer(deploy, tmp_path):
    """A function with 512 MB of storage that writes as its event says."""
    source = tmp_path / "source"
    source.write_bytes(b"x" * 4096)
    stage, chaos = deploy(WRITER, Environment={"Variables": {"SOURCE": str(source), "ELSEWHERE": os.getcwd()}})
    write = lambda how="by_open", size=4096: stage.invoke("Worker", {"how": how, "size": size}).payload  # noqa: E731
    return stage, chaos, write


class TestOnALocalStage:
    @pytest.mark.parametrize("how", WAYS)
    def test_writing_to_a_full_disk_fails_until_the_block_ends(self, writer, how):
        """ENOSPC is the kernel's own error; nothing of what Python offers for writing escapes it."""
        _, chaos, write = writer

        with chaos(Worker=DiskFull()):
            refused = write(how)

        assert errno.ENOSPC == refused[0]
        assert "written" == write(how)

    def test_what_is_left_can_be_written(self, writer, strikes_of):
        """511.99 of 512 MB taken leave about 10 kB; the byte after them fails, and the file ends there."""
        stage, chaos, write = writer

        with chaos(Worker=DiskFull(megabytes=511.99)):
            assert "written" == write(size=10_000)
            assert "written" == write(size=10_000)  # the first file was removed, and the limit is the invocation's
            assert [errno.ENOSPC, 10_485] == write(size=20_000)

        assert {"megabytes": 511.99, "free_bytes": 10_485} == strikes_of(stage)[0][1]

    def test_the_functions_own_storage_counts(self, deploy):
        """A function with 1,024 MB has 512 left when 512 are taken."""
        stage, chaos = deploy(WRITER, EphemeralStorage={"Size": 1024})

        with chaos(Worker=DiskFull(megabytes=512)):
            assert "written" == stage.invoke("Worker", {"how": "by_open", "size": 4096}).payload

    def test_other_directories_and_the_test_itself_write_as_ever(self, writer, tmp_path, monkeypatch):
        """The limit is the function's, in the directory for temporary files."""
        stage, chaos, write = writer
        seen = []
        stage.module("Worker").by_test = lambda path, size: seen.append(disk_limits._limit() is not None)

        with chaos(Worker=DiskFull()):
            write("by_test")
            (tmp_path / "file").write_text("the test writes")

        assert [True] == seen
        assert "the test writes" == (tmp_path / "file").read_text()

    def test_nothing_stays_replaced(self, writer):
        """After the invocation Python's functions are its own again."""
        _, chaos, write = writer
        before = (open, os.write, os.remove)

        with chaos(Worker=DiskFull()):
            write()

        assert before == (open, os.write, os.remove)


class TestTheLimit:
    @pytest.fixture
    def limited(self, tmp_path, monkeypatch):
        """A limit of ten bytes on everything beneath `tmp_path`."""
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        limit = disk_limits.DiskLimit(10, lambda: True)
        disk_limits.impose(limit)
        yield limit
        disk_limits.lift(limit.is_inside)

    def test_counts_growth_alone(self, limited, tmp_path):
        """Bytes that overwrite others need no room."""
        with open(tmp_path / "file", "w+b", buffering=0) as file:
            assert 8 == file.write(b"12345678")
            file.seek(0)
            assert 8 == file.write(b"abcdefgh")
            assert 2 == file.write(b"ijkl")
            with pytest.raises(OSError, match="No space left on device"):
                file.write(b"kl")

        assert b"abcdefghij" == (tmp_path / "file").read_bytes()

    def test_gives_back_what_is_removed(self, limited, tmp_path):
        """A function that cleans up can go on."""
        for _ in range(3):
            (tmp_path / "file").write_text("1234567890")
            (tmp_path / "file").unlink()

        assert 10 == limited.left

    def test_appends_and_reads_as_ever(self, limited, tmp_path):
        """What the io module promises holds: modes, encodings, positions."""
        with open(tmp_path / "file", "a", encoding="utf-16-le") as file:
            assert "a" == file.mode
            file.write("ab")
        with open(tmp_path / "file", "a+", encoding="utf-16-le") as file:
            file.write("c")
            file.seek(0)
            assert "abc" == file.read()

        assert 4 == limited.left


class TestOnLambda:
    """Without a stage around it the fault fills the disk for real, with a file that heals by going."""

    @pytest.fixture
    def point(self, context, tmp_path, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        return Invocation(context=context)

    def test_a_file_of_that_size_is_there_until_it_heals(self, point, tmp_path):
        """One megabyte of ten is one megabyte less."""
        fault = DiskFull(megabytes=1)
        harm = fault.prepare(point)
        fault.strike(point, harm)

        (file,) = tmp_path.iterdir()
        assert (MEGABYTE, str(file)) == (file.stat().st_size, harm["file"])
        fault.heal(point, harm)
        assert [] == list(tmp_path.iterdir())
        fault.heal(point, harm)  # whoever tidied up before us does no harm

    def test_all_that_is_free_is_taken(self, point, monkeypatch):
        """Without a size the file is as large as what the disk has left."""
        monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 3 * MEGABYTE}))

        assert 3 == DiskFull().prepare(point)["megabytes"]
        assert 3 == DiskFull(megabytes=500).prepare(point)["megabytes"]

    def test_a_disk_that_is_full_already_is_what_was_wanted(self, point, monkeypatch):
        """Filling it fails, and the strike does not."""

        def full(*_):
            raise OSError(errno.ENOSPC, "full")

        monkeypatch.setattr(os, "posix_fallocate", full)
        fault = DiskFull(megabytes=1)
        harm = fault.prepare(point)
        fault.strike(point, harm)
        fault.heal(point, harm)

        assert not pathlib.Path(harm["file"]).exists()


@pytest.mark.parametrize("megabytes", [0, -1, 10_241, "1", True, float("nan")])
def test_a_wrong_size_is_refused(megabytes):
    """No function has more than 10,240 MB."""
    with pytest.raises(UsageError, match="megabytes is"):
        DiskFull(megabytes=megabytes)


def test_a_size_is_said_to_failure_lambda():
    """Its disk fault has a size; all that is free cannot be said."""
    assert {
        Reader.FAILURE_LAMBDA_0X: {"failureMode": "diskspace", "diskSpace": 100},
        Reader.FAILURE_LAMBDA_1X: {"diskspace": {"disk_space": 100}},
    } == DiskFull(megabytes=100).translations()
    assert {} == DiskFull().translations()
