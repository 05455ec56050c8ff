"""What the settings may say of servers that stages share, and what is said of the rest."""

from __future__ import annotations

import pytest

from stagefright.errors import SettingsError
from stagefright.settings import load_settings

HEAD = '[tool.stagefright.shared.Orders]\nkind = "postgresql"\n'


@pytest.fixture
def shared(tmp_path):
    """The shared servers of a project with these settings."""

    def shared(text):
        (tmp_path / "pyproject.toml").write_text(text)
        return load_settings(tmp_path, "local", {}, {}).shared

    return shared


def test_a_declaration_is_read_whole(shared):
    """Every key has its place."""
    found = shared(
        HEAD
        + 'url_variable = "U"\nsql = "a.sql"\nrole = false\nreset = "keep"\nparameters = { Url = "{url}?x={{1}}", Schema = "{schema}" }'
    )["Orders"]

    assert (found.name, found.sql, found.role, found.reset) == ("Orders", ("a.sql",), False, "keep")
    assert found.filled({"url": "u", "schema": "s"}) == {"Url": "u?x={1}", "Schema": "s"}


def test_a_stage_pattern_may_name_another_server(tmp_path):
    """As with every setting."""
    (tmp_path / "pyproject.toml").write_text(
        f'{HEAD}url = "postgresql://a/b"\n'
        '[tool.stagefright.stages."pr-*".shared.Orders]\nkind = "postgresql"\nurl = "postgresql://c/d"\n'
    )

    assert load_settings(tmp_path, "pr-1", {}, {}).shared["Orders"].url == "postgresql://c/d"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.stagefright]\nshared = true", "shared is a table of name = { kind, url, ... } per shared server"),
        ("[tool.stagefright.shared]\nOrders = 1", "shared.Orders is a table with a kind and a url; received 1"),
        ('[tool.stagefright.shared.Orders]\nurl = "x"', "Orders needs a kind, one of postgresql; received ''"),
        (
            '[tool.stagefright.shared.Orders]\nkind = "mysql"\nurl = "x"',
            "needs a kind, one of postgresql; received 'mysql'",
        ),
        (HEAD, "Orders needs either url or url_variable"),
        (HEAD + 'url = "x"\nurl_variable = "Y"', "Orders needs either url or url_variable"),
        (HEAD + 'urll = "x"', "Orders has no key 'urll'. Did you mean url?"),
        (HEAD + "url = 5", "Orders: url is text"),
        (HEAD + 'url = "x"\nsql = [1]', "Orders: sql is file names"),
        (HEAD + 'url = "x"\nrole = "no"', "Orders: role is true or false"),
        (HEAD + 'url = "x"\nreset = "drop"', "reset is one of truncate, keep; received 'drop'"),
        (HEAD + 'url = "x"\nparameters = ["Url"]', "Orders: parameters is a table of texts"),
        (
            HEAD + 'url = "x"\nparameters = { Url = "{uri}" }',
            "the parameter Url is '{uri}', and may name {url}, {schema}",
        ),
        (HEAD + 'url = "x"\nparameters = { Url = "{" }', "a brace itself is doubled"),
        (HEAD + 'url = "x"\nschema = "{branch}"', "schema is '{branch}', and may name {service}, {stage}"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(shared, text, message):
    """The key, what it takes, and what was received."""
    with pytest.raises(SettingsError) as refusal:
        shared(text)

    assert message in str(refusal.value)
