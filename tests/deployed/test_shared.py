"""A deployed stage has its part of a server that stages share, which comes and goes with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stagefright.ledger.sweep import Sweep, Wish
from stagefright.targets import opening
from stagefright.targets.pulse import prolong
from stagefright.targets.run import Run
from tests.shared.conftest import ask, server_url  # noqa: F401 - fixtures

TEMPLATE = """
    Parameters: {DatabaseUrl: {Type: String, NoEcho: true}}
    Resources:
      Url: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !Ref DatabaseUrl}}
"""


@pytest.fixture
def shop(ministack_system, server_url):  # noqa: F811
    """A project whose stack is told where its schema is."""
    ministack_system.write("template.yaml", TEMPLATE)
    ministack_system.write("tables.sql", "CREATE TABLE orders (id int)")
    ministack_system.write(
        "pyproject.toml",
        f"""
        [tool.stagefright.shared.Orders]
        kind = "postgresql"
        url = "{server_url}"
        sql = "tables.sql"
        parameters = {{ DatabaseUrl = "{{url}}" }}
        """,
    )
    return ministack_system


def schemas(ask):  # noqa: F811
    return {row[0] for row in ask("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'shop%'")}


def test_it_comes_and_goes_with_the_stack(shop, ask):  # noqa: F811
    """The stack's parameter leads to the schema, and nothing of it is left when the stage is closed."""
    stage = shop.open()
    told = stage.client("ssm").get_parameter(Name=stage.ref("Url"))["Parameter"]["Value"]
    ask("INSERT INTO orders VALUES (7)", url=told)

    assert told == stage.shared["Orders"].url
    assert ask("SELECT id FROM orders", url=told) == [[7]]
    stage.close()
    assert schemas(ask) == set()


def test_it_stays_with_a_stage_that_is_kept(shop, ask):  # noqa: F811
    """Whoever attaches finds its data; removing the stage drops it."""
    kept = shop.open(keep=True)
    ask("INSERT INTO orders VALUES (7)", url=kept.shared["Orders"].url)
    kept.close()

    again = shop.open()
    assert ask("SELECT id FROM orders", url=again.shared["Orders"].url) == [[7]]
    again.close()
    assert len(schemas(ask)) == 1

    assert shop.remove()
    assert schemas(ask) == set()


def test_it_is_brought_up_to_date_with_its_stage(shop, ask):  # noqa: F811
    """`up` migrates the schema that is there, keeps its data, and makes one for a server that is new to the settings."""
    shop.open(keep=True).close()
    with (shop.directory / "pyproject.toml").open("a") as settings:
        settings.write('migrate = "echo $DATABASE_URL >> migrated"\n')
        settings.write('[tool.stagefright.shared.Bills]\nkind = "postgresql"\nschema = "shop_{stage}_bills"\n')
        settings.write('url_variable = "BILLS_URL"\n')
    text = (shop.directory / "pyproject.toml").read_text()
    url = text.partition('url = "')[2].partition('"')[0]
    later = Run.begin()
    with pytest.MonkeyPatch.context() as variables:
        variables.setenv("BILLS_URL", url)
        stage, outcome = opening.bring_up(shop.name, shop.settings(), run=later, account=shop.way)
        assert outcome == "unchanged"
        assert (shop.directory / "migrated").read_text().split() == [stage.shared["Orders"].url]
        assert len(schemas(ask)) == 2
        stage.close()

        # What the second run made is kept with the stage, and not as long as that run's own lease.
        prolong(shop.way, stage=shop.name, run=shop.run, by=replace(later, expires=later.expires + 3600))
        sweep = Sweep(shop.directory, Wish(now=later.expires + 60), lambda _: shop.way)
        assert list(sweep.run()) == []
        assert shop.remove()
    assert schemas(ask) == set()
