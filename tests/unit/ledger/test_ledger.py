"""The ledger's file: what is written when, who holds it, and what a kill leaves of it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from stagefright.ledger import files
from stagefright.ledger.amending import strike_out
from stagefright.ledger.ledger import Ledger
from stagefright.ledger.reading import Unreadable, read
from stagefright.ledger.sweep import leftovers
from stagefright.ledger.values import INLINE_BYTES_MAX, Damaged, fingerprint, pack, unpack
from stagefright.targets.account import Account
from stagefright.targets.run import Run

KEY = {"id": {"S": "1"}}


@pytest.fixture
def run():
    return Run.begin("run1", lease="1h")


@pytest.fixture
def new_ledger(tmp_path, run):
    """Makes ledgers of the same run in the same project."""
    made = []

    def new_ledger(**changes):
        account = Account(region="eu-west-1", endpoint_url="http://127.0.0.1:9", access_key="000000000001")
        made.append(Ledger(tmp_path, **{"run": run, "stage": "my-feature", "account": account, **changes}))
        return made[-1]

    yield new_ledger
    for ledger in made:
        ledger.close()


def paths(project):
    return sorted((project / files.DIRECTORY).iterdir())


def only(project):
    [path] = files.ledgers_of(project)
    return path


class TestLines:
    """A thing stands in the file before it is made, and until it is struck out."""

    def test_a_line_is_there_when_note_returns(self, new_ledger, tmp_path, run):
        """With everything that undoing it takes, and whose it is."""
        new_ledger().note("item", "Items", before={"id": {"S": "1"}, "raw": {"B": b"\0\xff"}}, wrote="abc", key=KEY)

        found = read(only(tmp_path))

        assert (found.head.run, found.head.owner, found.head.expires) == (run.id, run.owner, run.expires)
        assert (found.head.region, found.head.access_key, found.head.account) == ("eu-west-1", "000000000001", None)
        [entry] = found.open_entries
        assert (entry.kind, entry.name, entry.stage, entry.run) == ("item", "Items", "my-feature", "run1")
        assert entry.before == {"id": {"S": "1"}, "raw": {"B": b"\0\xff"}}
        assert (entry.wrote, entry.detail) == ("abc", {"key": KEY})

    def test_it_is_on_the_disk(self, new_ledger, monkeypatch, tmp_path):
        """Line and directory are flushed to the disk: a machine that loses power must not forget what was made."""
        synced = []
        sync = os.fsync
        monkeypatch.setattr(
            os, "fsync", lambda handle: (synced.append(Path(f"/proc/self/fd/{handle}").readlink()), sync(handle))
        )

        new_ledger().note("queue", "q")

        assert {only(tmp_path), only(tmp_path).parent} <= set(synced)

    def test_struck_out(self, new_ledger, tmp_path):
        """Once is enough, and twice does no harm."""
        ledger = new_ledger()
        strike, _ = ledger.note("queue", "one"), ledger.note("queue", "two")
        strike()
        strike()

        assert [entry.name for entry in read(only(tmp_path)).open_entries] == ["two"]
        assert [entry.name for entry in ledger.open_entries()] == ["two"]

    def test_nothing_left_no_file(self, new_ledger, tmp_path):
        """A run that took everything away leaves no trace, its side files included."""
        ledger = new_ledger()
        strike = ledger.note("object", "b", before={"Body": b"x" * (INLINE_BYTES_MAX + 1)}, key="k")
        assert len(paths(tmp_path)) == 2
        strike()
        ledger.close()

        assert paths(tmp_path) == []

    def test_something_left_is_kept_and_let_go(self, new_ledger, tmp_path):
        """Then it is a sweep's."""
        ledger = new_ledger()
        ledger.note("queue", "q")
        assert files.is_held(only(tmp_path))
        ledger.close()

        assert not files.is_held(only(tmp_path))

    def test_each_process_has_a_file_of_its_own(self, new_ledger, tmp_path):
        """The workers of pytest-xdist do not write over each other; nor do two stages of one process."""
        new_ledger().note("queue", "one")
        new_ledger().note("queue", "two")

        assert [read(path).open_entries[0].name for path in files.ledgers_of(tmp_path)] == ["one", "two"]

    def test_a_forked_child_writes_a_file_of_its_own(self, new_ledger, tmp_path):
        """And strikes nothing out of its parent's."""
        ledger = new_ledger()
        strike = ledger.note("queue", "parent")
        child = os.fork()
        if child == 0:
            ledger.note("queue", "child")
            strike()
            os._exit(0)
        os.waitpid(child, 0)

        names = sorted(entry.name for path in files.ledgers_of(tmp_path) for entry in read(path).open_entries)
        assert names == ["child", "parent"]

    def test_for_its_owners_eyes(self, new_ledger, tmp_path):
        """What was overwritten may be secret: nobody else reads it, and Git takes none of it."""
        new_ledger().note("object", "b", before={"Body": io.BytesIO(b"x" * (INLINE_BYTES_MAX + 1))}, key="k")

        assert {path.stat().st_mode & 0o777 for path in paths(tmp_path)} == {0o600}
        assert (tmp_path / files.DIRECTORY).stat().st_mode & 0o777 == 0o700
        assert "*" in (tmp_path / ".stagefright" / ".gitignore").read_text().splitlines()


class TestKilled:
    """What is left of a process that was killed."""

    def killed(self, project, code):
        """Run code in a process with a ledger, which kills itself at the end."""
        text = f"""
            import os, signal
            from pathlib import Path
            from stagefright.ledger.ledger import Ledger
            from stagefright.targets.account import Account
            from stagefright.targets.run import Run
            account = Account(region="eu-west-1", endpoint_url="http://127.0.0.1:9")
            ledger = Ledger(Path({str(project)!r}), run=Run.begin("dead1"), stage="my-feature", account=account)
            {code}
            os.kill(os.getpid(), signal.SIGKILL)
        """
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(text)], check=False, timeout=60)
        assert done.returncode == -signal.SIGKILL

    def test_its_lock_is_gone_and_its_lines_are_there(self, tmp_path):
        """However it died."""
        self.killed(tmp_path, "ledger.note('queue', 'one'); ledger.note('queue', 'two')()")

        assert not files.is_held(only(tmp_path))
        assert [entry.name for entry in read(only(tmp_path)).open_entries] == ["one"]

    def test_a_torn_last_line_is_no_line(self, new_ledger, tmp_path):
        """It was not whole when the process died, so what it announces was never done."""
        ledger = new_ledger()
        ledger.note("queue", "one")
        ledger.close()
        with only(tmp_path).open("ab") as file:
            file.write(b'{"number": 2, "kind": "queue", "na')

        found = read(only(tmp_path))

        assert [entry.name for entry in found.open_entries] == ["one"]
        assert found.broken_lines == ()

    def test_what_is_appended_to_a_torn_line_is_whole(self, new_ledger, tmp_path):
        """Before anybody strikes a line out, the torn one is cut away."""
        self.test_a_torn_last_line_is_no_line(new_ledger, tmp_path)
        path = only(tmp_path)
        with files.take(path) as file:
            files.cut_torn_line(file)
            files.append(file, path, b'{"struck": 1}\n')

        assert read(path).open_entries == []

    def test_a_torn_first_line(self, tmp_path):
        """Nothing was announced, so nothing was made."""
        directory = files.directory_of(tmp_path)
        (directory / "run1-1-0.jsonl").write_bytes(b'{"run": "ru')

        assert read(directory / "run1-1-0.jsonl") is None

    def test_a_line_that_was_whole_once(self, new_ledger, tmp_path):
        """What cannot be read in the midst of a file is told, for it may have stood for something."""
        ledger = new_ledger()
        ledger.note("queue", "one")
        ledger.note("queue", "two")
        ledger.close()
        lines = only(tmp_path).read_bytes().splitlines(keepends=True)
        only(tmp_path).write_bytes(lines[0] + b"\0\0\0\n" + lines[2])

        found = read(only(tmp_path))

        assert found.broken_lines == (2,)
        assert [entry.name for entry in found.open_entries] == ["two"]

    @pytest.mark.parametrize("first", [b"hello\n", b"[1]\n", b'{"format": 99}\n', b'{"format": 1, "run": "x"}\n'])
    def test_a_file_that_is_no_ledger(self, tmp_path, first):
        """It is told of, and left alone."""
        path = files.directory_of(tmp_path) / "run1-1-0.jsonl"
        path.write_bytes(first)

        with pytest.raises(Unreadable):
            read(path)

    def test_a_file_that_died_before_it_had_its_name(self, tmp_path):
        """It holds nothing and goes."""
        unborn = files.directory_of(tmp_path) / "run1-1-0.new"
        unborn.touch()

        assert files.ledgers_of(tmp_path) == []
        assert not unborn.exists()

    def test_where_there_are_no_locks_the_process_tells(self, new_ledger, tmp_path, monkeypatch):
        """A file system without locks is said to have none, and then the process is asked for."""
        monkeypatch.setattr(files, "_lock", lambda file: None)
        new_ledger().note("queue", "one")

        head = read(only(tmp_path)).head

        assert not head.is_locked
        assert files.lives(head.host, head.pid)
        assert not files.lives("elsewhere", head.pid)
        assert leftovers(tmp_path, now=0) == []


class TestOffer:
    """What the next run is told of."""

    def test_by_run(self, new_ledger, tmp_path, run):
        """One line per dead run, over all its processes."""
        for name in ("one", "two"):
            ledger = new_ledger()
            ledger.note("queue", name)
            ledger.close()
        new_ledger(run=Run.begin("living")).note("queue", "three")

        [found] = leftovers(tmp_path, now=run.created)

        assert (found.run, found.count, found.owner) == ("run1", 2, run.owner)
        assert str(found).startswith(f"2 things left by run run1 of {run.owner} (dead since 20")
        assert "stagefright sweep" in str(found)

    def test_what_is_kept_on_purpose_is_not_offered(self, new_ledger, tmp_path, run):
        """Until its lease is over."""
        ledger = new_ledger()
        ledger.note("stack", "shop-my-feature").keep()
        ledger.close()

        assert leftovers(tmp_path, now=run.created) == []
        assert len(leftovers(tmp_path, now=run.expires)) == 1

    def test_nothing_in_a_project_without_ledgers(self, tmp_path):
        """Nor is anything made there."""
        assert leftovers(tmp_path, now=0) == []
        assert list(tmp_path.iterdir()) == []

    def test_what_went_with_an_emulator_is_struck_out(self, new_ledger, tmp_path):
        """Of the run whose emulator it was; what lies elsewhere stands."""
        ledger, other = new_ledger(), new_ledger()
        ledger.note("item", "Items", key=KEY)
        other.note("schema", "shop_my_feature")
        ledger.close()
        other.close()

        strike_out(tmp_path, "run1")

        assert [str(entry) for entry in read(only(tmp_path)).open_entries] == ["schema shop_my_feature"]


class TestValues:
    """What was there before is written as JSON and comes back as it was."""

    @pytest.mark.parametrize(
        "value",
        [
            None,
            "text",
            b"\0\xff",
            {"a": {"B": b"\1"}, "bs": {"BS": [b"\1", b"\2"]}, "n": {"NULL": True}},
            {"$bytes": {"S": "an attribute with an odd name"}, "$mapping": {"$file": b"x"}},
            [1, 1.5, False, [b""]],
        ],
    )
    def test_there_and_back(self, value, tmp_path):
        """Bytes and odd names included."""
        packed = json.loads(json.dumps(pack(value, keep=None)))

        assert unpack(packed, tmp_path) == value

    def test_a_large_body_lies_beside_the_ledger(self, new_ledger, tmp_path):
        """It is written from its stream, and read back whole."""
        body = os.urandom(INLINE_BYTES_MAX * 2 + 7)
        line = new_ledger().note("object", "b", before={"Body": io.BytesIO(body)}, key="k")

        kept = read(only(tmp_path)).open_entries[0].before["Body"]

        assert kept.path.parent == only(tmp_path).parent
        assert kept.read() == line.entry.before["Body"].read() == body
        assert only(tmp_path).stat().st_size < 2000

    def test_a_side_file_that_was_tampered_with(self, new_ledger, tmp_path):
        """Nobody gets back what was not theirs."""
        new_ledger().note("object", "b", before={"Body": b"x" * (INLINE_BYTES_MAX + 1)}, key="k")
        kept = read(only(tmp_path)).open_entries[0].before["Body"]
        kept.path.write_bytes(b"y")
        with pytest.raises(Damaged, match="is not what was kept there"):
            kept.read()
        kept.path.unlink()
        with pytest.raises(Damaged, match="No such file"):
            kept.read()

    def test_a_side_file_is_never_elsewhere(self, tmp_path):
        """A ledger that names a path names the file of that name beside it."""
        assert unpack({"$file": "../../etc/passwd", "sha256": ""}, tmp_path).path == tmp_path / "passwd"

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"n": {"N": "1.50"}}, {"n": {"N": "1.5"}}),
            ({"n": {"N": "-0"}}, {"n": {"N": "0"}}),
            ({"n": {"N": "1E+2"}}, {"n": {"N": "100"}}),
            ({"s": {"SS": ["a", "b"]}}, {"s": {"SS": ["b", "a"]}}),
            ({"s": {"NS": ["1", "2.0"]}}, {"s": {"NS": ["2", "1"]}}),
            ({"s": {"BS": [b"a", b"b"]}}, {"s": {"BS": [b"b", b"a"]}}),
            ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ],
    )
    def test_equal_to_dynamodb_is_equal(self, one, other):
        """The same item may come back in another form."""
        assert fingerprint(one) == fingerprint(other)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"n": {"N": "1"}}, {"n": {"S": "1"}}),
            ({"l": {"L": [{"S": "a"}, {"S": "b"}]}}, {"l": {"L": [{"S": "b"}, {"S": "a"}]}}),
            ({"b": {"B": b"a"}}, {"b": {"S": "a"}}),
            ("1", "1.0"),
        ],
    )
    def test_different_is_different(self, one, other):
        """Types and the order of lists count."""
        assert fingerprint(one) != fingerprint(other)
