"""Each stage has a schema of its own on a server that stages share, made and dropped with it."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace

import pytest

from stagefright.errors import SettingsError, SharedResourceError
from stagefright.ledger.kinds import Fate, kind_named
from stagefright.ledger.reading import Entry
from stagefright.settings import load_settings
from stagefright.shared import postgresql_server
from stagefright.shared.tenancy import move_in, move_out
from stagefright.targets.run import Run

TABLES = "CREATE TABLE orders (id int PRIMARY KEY, n bigint GENERATED ALWAYS AS IDENTITY); CREATE TABLE kinds (k text); INSERT INTO kinds VALUES ('a')"


def schemas(ask):
    return {row[0] for row in ask("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'shop%'")}


def roles(ask):
    return {row[0] for row in ask("SELECT rolname FROM pg_roles WHERE rolname LIKE 'shop%'")}


@pytest.fixture
def sql(tmp_path):
    """The file of the schema's tables."""
    (tmp_path / "tables.sql").write_text(TABLES)
    return "tables.sql"


class TestLife:
    def test_it_is_made_and_dropped_with_the_stage(self, part, ask):
        """Nothing of it is left: neither schema nor user."""
        mine = part("one")
        assert schemas(ask) == roles(ask) == {"shop_one"}

        mine.close()
        assert schemas(ask) == roles(ask) == set()

    def test_stages_do_not_see_each_other(self, part, ask, sql):
        """The same tables, twice; the user of one may not even read those of the other."""
        one, two = part("one", sql=sql), part("two", sql=sql)
        ask("INSERT INTO orders VALUES (1)", url=one.url)

        assert ask("SELECT count(*) FROM orders", url=one.url) == [[1]]
        assert ask("SELECT count(*) FROM orders", url=two.url) == [[0]]
        with pytest.raises(Exception, match="permission denied for schema shop_one"):
            ask("SELECT * FROM shop_one.orders", url=two.url)

    def test_functions_that_call_this_machine_otherwise_are_told_so(self, part):
        """In a container loopback is the container; the test itself goes on as before."""
        schema = part(parameters={"Url": "{url}", "Host": "{host}"}, create=False)
        told = schema.parameters_from("host.docker.internal")

        assert told["Host"] == "host.docker.internal"
        assert told["Url"] == schema.url.replace("127.0.0.1", "host.docker.internal")
        assert schema.parameters_from(None) == {"Url": schema.url, "Host": "127.0.0.1"}

    def test_a_server_elsewhere_is_called_as_it_is(self, part):
        """Its name is the same from everywhere."""
        schema = part(url="postgresql://admin@db.example.com/orders", parameters={"Host": "{host}"}, create=False)

        assert schema.parameters_from("host.docker.internal") == {"Host": "db.example.com"}

    def test_an_address_of_ipv6_stands_in_brackets(self, part):
        """As in every URL."""
        assert "@[::1]:5432/" in part(url="postgresql://admin@[::1]/orders", create=False).url

    def test_copies_of_one_stage_are_apart(self, part, ask):
        """Workers of pytest-xdist each have the stage for themselves."""
        part("one", copy="gw0"), part("one", copy="gw1")

        assert schemas(ask) == {"shop_one_gw0", "shop_one_gw1"}

    def test_it_says_whose_it_is(self, part, ask):
        """The schema's comment holds the run's tags, so that a sweep can tell."""
        part("one", run=Run("run-1", "amy@laptop", 0.0, 60.0))

        [[comment]] = ask("SELECT obj_description('shop_one'::regnamespace, 'pg_namespace')")
        assert '"stagefright:owner": "amy@laptop"' in comment
        assert '"stagefright:expires": "1970-01-01T00:01:00Z"' in comment

    def test_a_second_run_is_refused_while_the_first_lives(self, part):
        """Its owner is named; nothing of his is touched."""
        part("one", run=Run("run-1", "amy@laptop", 0.0, 60.0))

        with pytest.raises(
            SharedResourceError, match=r"schema shop_one of stage 'one' is in use by amy@laptop \(run run-1\)"
        ):
            part("one")

    def test_what_a_dead_run_left_is_made_anew(self, part, ask, sql):
        """A run that was killed holds no lock any more, whatever its tags say."""
        dead = part("one", sql=sql)
        ask("INSERT INTO orders VALUES (1)", url=dead.url)
        dead._connection.close()
        dead._connection = None

        assert ask("SELECT count(*) FROM orders", url=part("one", sql=sql).url) == [[0]]

    def test_a_schema_of_somebody_else_is_left_alone(self, part, ask):
        """Without our comment it may be anything."""
        ask("CREATE SCHEMA shop_one")
        try:
            with pytest.raises(SharedResourceError, match="Stagefright did not make it, so it is left alone"):
                part("one")
            assert schemas(ask) == {"shop_one"}
        finally:
            ask("DROP SCHEMA shop_one")

    def test_a_stage_that_could_not_be_filled_leaves_nothing(self, part, ask, tmp_path):
        """The file and the server's reason are told."""
        (tmp_path / "bad.sql").write_text("CREATE TABLE t (id nonsense)")

        bad = part("one", sql="bad.sql", create=False)
        with pytest.raises(SharedResourceError, match=r'type "nonsense" does not exist. It stands in .*bad\.sql'):
            bad.create(tmp_path)
        bad.close()
        assert schemas(ask) == roles(ask) == set()

    def test_a_long_name_is_cut_and_stays_its_own(self, part):
        """PostgreSQL would cut it silently, and two stages would share a schema."""
        one, two = part("x" * 80 + "1"), part("x" * 80 + "2")

        assert len(one.schema) == len(two.schema) == 63
        assert one.schema != two.schema

    def test_what_was_refused_is_not_dropped_on_the_way_out(self, part, ask, tmp_path):
        """Giving a stage up that could not be had leaves the schema, and the user, of somebody else."""
        ask("CREATE SCHEMA shop_one")
        ask("CREATE TABLE shop_one.precious (id int)")
        ask("CREATE ROLE shop_two")
        try:
            for stage, enter in itertools.product(("one", "two"), ("create", "join")):
                mine = part(stage, create=False)
                with pytest.raises(SharedResourceError):
                    getattr(mine, enter)(tmp_path)
                mine.close()
            assert ask("SELECT count(*) FROM shop_one.precious") == [[0]]
            assert roles(ask) == {"shop_two"}
        finally:
            ask("DROP SCHEMA shop_one CASCADE")
            ask("DROP ROLE shop_two")

    def test_the_schema_of_another_stage_is_left_alone(self, part, ask, tmp_path):
        """Two stages whose settings give their schemas one name."""
        part("one", schema="shop", create=False).join(tmp_path)

        for enter in ("create", "join"):
            two = part("two", schema="shop", create=False)
            with pytest.raises(SharedResourceError, match="it is that of the stage 'one'"):
                getattr(two, enter)(tmp_path)
            two.close()
        assert schemas(ask) == roles(ask) == {"shop"}

    def test_a_user_without_a_schema_is_never_left(self, part, ask, sql, monkeypatch):
        """Both go at once, so a process that is killed while it drops them does not block its stage for good."""
        mine = part("one", sql=sql)
        native = postgresql_server.run_sql

        def dies(resource, connection, statement, *rest):
            if statement.startswith("DROP ROLE"):
                connection.close()
                raise KeyboardInterrupt
            return native(resource, connection, statement, *rest)

        monkeypatch.setattr(postgresql_server, "run_sql", dies)
        with pytest.raises(KeyboardInterrupt):
            mine._drop()
        monkeypatch.undo()
        mine._connection = None

        assert schemas(ask) == roles(ask) == {"shop_one"}
        part("one", sql=sql)


class TestStagesThatStay:
    """A deployed stage outlives the processes that test it."""

    def test_a_local_run_does_not_take_it_for_a_leftover(self, part, ask, tmp_path, sql):
        """Nobody holds its lock, and it is somebody's all the same."""
        deployed = part(sql=sql, create=False)
        deployed.join(tmp_path)
        ask("INSERT INTO orders VALUES (1)", url=deployed.url)
        deployed.leave()

        local = part(sql=sql, create=False)
        with pytest.raises(SharedResourceError, match=r"that of the deployed stage 'one' by .*`stagefright down`"):
            local.create(tmp_path)
        local.close()
        assert ask("SELECT id FROM orders", url=deployed.url) == [[1]]
        part(create=False).drop_with_its_stage()
        assert schemas(ask) == roles(ask) == set()

    def test_it_does_not_move_in_with_a_local_run(self, part, tmp_path):
        """That run would drop it at its end."""
        part()
        with pytest.raises(SharedResourceError, match="is in use by"):
            part(create=False).join(tmp_path)

    def test_what_was_there_stays_when_another_server_cannot_be_had(self, ask, server_url, tmp_path):
        """A stage has parts of two servers; the second is down, and the first holds data."""
        here = {"kind": "postgresql", "url": server_url}
        away = {"kind": "postgresql", "url": "postgresql://a@127.0.0.1:1/b"}
        settings = {"service": "shop", "shared": {"Orders": here}}
        first = move_in("one", load_settings(tmp_path, "one", settings, {}), stays=True)
        ask("CREATE TABLE t (id int)", url=first["Orders"].url)
        first.leave()
        settings["shared"] = {"Orders": here, "Bills": away}
        with pytest.raises(SharedResourceError, match="could not be reached"):
            move_in("one", load_settings(tmp_path, "one", settings, {}), stays=True)
        assert ask("SELECT count(*) FROM t", url=first["Orders"].url) == [[0]]

        settings["shared"] = {"Orders": here}
        move_out("one", load_settings(tmp_path, "one", settings, {}))
        assert schemas(ask) == roles(ask) == set()

    def test_a_later_process_finds_what_the_first_made(self, part, ask, tmp_path, sql):
        """The same schema, the same password, the same data."""
        first, second = part(sql=sql, create=False), part(sql=sql, create=False)
        first.join(tmp_path)
        ask("INSERT INTO orders VALUES (1)", url=first.url)
        first.leave()

        second.join(tmp_path)

        assert second.url == first.url
        assert ask("SELECT id FROM orders", url=second.url) == [[1]]

    def test_it_goes_when_the_stage_goes(self, part, ask, tmp_path):
        """Whichever process takes the stage away takes the schema along."""
        first, second = part(create=False), part(create=False)
        first.join(tmp_path)
        first.leave()
        second.join(tmp_path)
        second.close()

        assert schemas(ask) == roles(ask) == set()

    def test_two_processes_share_it(self, part, ask, tmp_path):
        """Two runs at once on one stage."""
        first, second = part(create=False), part(create=False)
        first.join(tmp_path)
        second.join(tmp_path)
        second.leave()

        assert ask("SELECT 1", url=first.url) == [[1]]


class TestReset:
    def test_tables_are_emptied_and_sequences_begin_again(self, part, ask, sql):
        """As in a stage that was just stood up."""
        mine = part(sql=sql)
        ask("INSERT INTO orders VALUES (1), (2)", url=mine.url)
        mine.reset()
        ask("INSERT INTO orders VALUES (7)", url=mine.url)

        assert ask("SELECT id, n FROM orders", url=mine.url) == [[7, 1]]

    def test_reference_data_stays(self, part, ask, sql):
        """A table that held rows when the schema was filled is not emptied."""
        mine = part(sql=sql)
        mine.reset()

        assert ask("SELECT k FROM kinds", url=mine.url) == [["a"]]

    def test_a_transaction_that_was_left_open_does_not_block(self, part, ask, sql, connect_to):
        """A handler that was abandoned in the middle of one holds its locks no longer."""
        mine = part(sql=sql)
        forgotten = connect_to(mine.url)
        forgotten.run("START TRANSACTION")
        forgotten.run("INSERT INTO orders VALUES (1)")

        mine.reset()

        assert ask("SELECT count(*) FROM orders", url=mine.url) == [[0]]
        forgotten._usock.close()

    def test_data_can_be_kept(self, part, ask, sql):
        """`reset = "keep"` leaves everything to the tests."""
        mine = part(sql=sql, reset="keep")
        ask("INSERT INTO orders VALUES (1)", url=mine.url)
        mine.reset()

        assert ask("SELECT count(*) FROM orders", url=mine.url) == [[1]]


class TestFilling:
    def test_a_command_migrates_the_schema(self, part, ask, tmp_path):
        """It finds the stage's own URL in DATABASE_URL."""
        (tmp_path / "migrate.py").write_text("import os; open('url', 'w').write(os.environ['DATABASE_URL'])")
        mine = part(migrate=f"{sys.executable} migrate.py")

        assert (tmp_path / "url").read_text() == mine.url
        assert ask("SELECT current_schema", url=mine.url) == [["shop_one"]]

    def test_a_command_that_fails_shows_its_last_lines(self, part):
        """With its exit code."""
        with pytest.raises(SharedResourceError, match=r"ended with code 3 in the schema shop_one:\n  no such column"):
            part(migrate="echo no such column; exit 3")

    def test_a_file_that_is_not_there(self, part):
        """It is named."""
        with pytest.raises(SettingsError, match=r"sql names .*missing\.sql: No such file"):
            part(sql="missing.sql")


class TestWithoutARole:
    def test_the_servers_user_gets_a_search_path(self, part):
        """For whoever may not make users; the url carries the schema as libpq's option."""
        mine = part(role=False)

        assert mine.url.endswith("/postgres?options=-csearch_path%3Dshop_one")
        assert mine.user == "admin"

    def test_it_is_the_way_out_for_a_user_without_the_right(self, part, ask, server_url):
        """The refusal names it."""
        ask("CREATE ROLE plain LOGIN PASSWORD 'p'")
        ask("GRANT CREATE ON DATABASE postgres TO plain")
        url = server_url.replace("admin:secret", "plain:p")
        try:
            with pytest.raises(SharedResourceError, match="the right CREATEROLE, or set role = false"):
                part(url=url)
            part("two", url=url, role=False).close()
        finally:
            ask("DROP OWNED BY plain")
            ask("DROP ROLE plain")

    def test_connections_cannot_be_cut(self, part):
        """They might be anybody's."""
        with pytest.raises(SharedResourceError, match="cannot be told from those of others"):
            part(role=False).cut_connections()


class TestReaching:
    def test_a_server_that_is_not_there(self, part):
        """Host, port, database and user are named, the password is not."""
        with pytest.raises(
            SharedResourceError, match=r"127\.0\.0\.1:1, database d, user u, could not be reached"
        ) as told:
            part(url="postgresql://u:hidden@127.0.0.1:1/d")
        assert "hidden" not in str(told.value)

    def test_a_wrong_password(self, part, server_url):
        """The server's own words."""
        with pytest.raises(SharedResourceError, match='password authentication failed for user "admin"'):
            part(url=server_url.replace("secret", "wrong"))

    def test_a_variable_that_is_not_set(self, part):
        """It says what it should hold."""
        with pytest.raises(SettingsError, match="the variable NO_SUCH_URL is not set"):
            part(url_variable="NO_SUCH_URL", create=False)


class TestSweep:
    """What a dead run left is dropped by its ledger."""

    @pytest.fixture
    def entry(self, part, tmp_path):
        """A schema that a run made and left, and its line in the ledger."""
        lines = []
        made = part(create=False)
        made.create(tmp_path, lambda kind, name, **detail: lines.append((kind, name, detail)) or (lambda: None))
        [(kind, name, detail)] = lines
        made._connection.close()
        made._connection = None
        return Entry(1, kind, name, "my-feature", 0.0, detail=detail, run=made._run.id)

    def test_the_runs_own_is_dropped_with_its_user(self, entry, ask):
        """And one that is gone is fine."""
        kind = kind_named("schema")
        assert kind.look(entry, None).fate is Fate.DELETE
        kind.undo(entry, None)
        kind.undo(entry, None)

        assert kind.look(entry, None).fate is Fate.AS_BEFORE
        assert ask("SELECT 1 FROM pg_roles WHERE rolname = :name", name=entry.name) == []

    def test_one_of_another_run_is_left_alone(self, entry):
        """The same stage, made anew by a run that lives."""
        kind = kind_named("schema")
        assert kind.look(replace(entry, run="another"), None).fate is Fate.FOREIGN
        kind.undo(entry, None)
