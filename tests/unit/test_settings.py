"""Settings: where they come from, which one wins, and what is said of a wrong one."""

from __future__ import annotations

import pytest

from stagefright.errors import SettingsError
from stagefright.settings import KINDS, Settings, check_stage_name, load_settings


@pytest.fixture
def project(tmp_path):
    """Writes a pyproject.toml and reads the settings of a stage from it."""

    def load(toml="", *, stage="local", environ=None, **overrides):
        (tmp_path / "pyproject.toml").write_text(toml)
        return load_settings(tmp_path, stage, overrides, environ or {})

    return load


class TestOrigins:
    """The precedence of option, environment, stage table, settings and default."""

    def test_nothing_needs_to_be_set(self, project):
        """Without any settings, every key has a default and no origin is claimed."""
        settings = project()

        assert (settings.target, settings.region, settings.account) == ("local", "us-east-1", "123456789012")
        assert settings.origins == {}

    def test_the_nearer_origin_wins(self, project):
        """An override beats the environment, which beats the stage's table, which beats the general table."""
        toml = """
            [tool.stagefright]
            region = "r-table"
            service = "s-table"
            profile = "p-table"
            image = "i-table"
            [tool.stagefright.stages."pr-*"]
            service = "s-stage"
            profile = "p-stage"
            image = "i-stage"
        """
        environ = {"STAGEFRIGHT_PROFILE": "p-environment", "STAGEFRIGHT_IMAGE": "i-environment"}
        settings = project(toml, stage="pr-7", environ=environ, image="i-override")

        found = (settings.region, settings.service, settings.profile, settings.image)
        assert found == ("r-table", "s-stage", "p-environment", "i-override")
        assert settings.origins == {
            "region": "pyproject.toml",
            "service": 'pyproject.toml stages."pr-*"',
            "profile": "STAGEFRIGHT_PROFILE",
            "image": "image=",
        }

    def test_a_stage_table_is_for_matching_names_only(self, project):
        """A table of another pattern changes nothing."""
        toml = '[tool.stagefright.stages."pr-*"]\nregion = "eu-west-1"'

        assert project(toml, stage="main").region == "us-east-1"
        assert project(toml, stage="pr-7").region == "eu-west-1"

    def test_tables_are_merged_key_by_key(self, project):
        """A stage, the environment and an override can each change one parameter and keep the others."""
        toml = """
            [tool.stagefright]
            parameters = { One = "table", Two = "table", Three = 3, Four = true }
            [tool.stagefright.stages."pr-*"]
            parameters = { Two = "stage" }
        """
        environ = {"STAGEFRIGHT_PARAMETERS": "Three=environment"}
        settings = project(toml, stage="pr-7", environ=environ, parameters={"Five": "override"})

        assert settings.parameters == {
            "One": "table",
            "Two": "stage",
            "Three": "environment",
            "Four": "true",
            "Five": "override",
        }

    def test_the_table_is_found_upward(self, tmp_path):
        """A test in a deep directory finds the project's table, past a pyproject.toml that has none."""
        deep = tmp_path / "packages" / "feed"
        deep.mkdir(parents=True)
        (tmp_path / "pyproject.toml").write_text('[tool.stagefright]\nregion = "eu-west-1"\ntemplate = "infra/t.yaml"')
        (deep / "pyproject.toml").write_text('[project]\nname = "feed"')
        settings = load_settings(deep, "local", {}, {})

        assert settings.region == "eu-west-1"
        assert settings.directory == tmp_path.resolve()
        assert settings.template == tmp_path.resolve() / "infra" / "t.yaml"

    def test_what_was_not_given_overrides_nothing(self, project):
        """An option that was left out arrives as None, and the table's value stays."""
        assert project('[tool.stagefright]\nregion = "eu-west-1"', region=None).region == "eu-west-1"

    def test_the_stage_and_the_runtimes_variables_are_no_settings(self, project):
        """Variables of ours that are not settings are not mistaken for misspelt ones."""
        environ = {"STAGEFRIGHT_STAGE": "x", "STAGEFRIGHT_FUNCTION": "F", "STAGEFRIGHT_FLAG_TTL": "5", "OTHER": "1"}

        assert project(environ=environ).origins == {}


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("STAGEFRIGHT_SEED", "-7", "seed", -7),
        ("STAGEFRIGHT_STRICT_TEMPLATE", "0", "strict_template", False),
        ("STAGEFRIGHT_ALLOW_HOSTS", "a.example, b.example", "allow_hosts", ("a.example", "b.example")),
        ("STAGEFRIGHT_ASSUMPTIONS", "retry_jitter=0.5", "assumptions", {"retry_jitter": 0.5}),
        (
            "STAGEFRIGHT_AT_LEAST_ONCE",
            "duplicate_probability=0.5",
            "at_least_once",
            {"duplicate_probability": 0.5},
        ),
        (
            "STAGEFRIGHT_AT_LEAST_ONCE",
            '{"duplicate_probability": {"Feed*": 1}}',
            "at_least_once",
            {"duplicate_probability": {"Feed*": 1.0}},
        ),
        ("STAGEFRIGHT_EXPORTS", '{"VpcId": "vpc-1"}', "exports", {"VpcId": "vpc-1"}),
        ("STAGEFRIGHT_EXECUTOR", "subprocess", "executor", {"*": "subprocess"}),
        ("STAGEFRIGHT_EXECUTOR", "Worker=container", "executor", {"Worker": "container"}),
    ],
)
def test_the_environment_is_text_and_is_read_as_what_the_setting_is(project, variable, text, key, value):
    """Numbers, switches, lists and tables have a spelling in the environment."""
    assert getattr(project(environ={variable: text}), key) == value


@pytest.mark.parametrize(
    ("toml", "environ", "parts"),
    [
        ('regoin = "eu-west-1"', {}, ["pyproject.toml: there is no setting 'regoin'", "Did you mean region?"]),
        ("region = 7", {}, ["pyproject.toml: region is text; received 7 (int)"]),
        ("account = 123456789012", {}, ["account is an account id: text of 12 digits; received 123456789012 (int)"]),
        ('target = "moon"', {}, ["target is one of local, docker, aws; received 'moon'"]),
        ('allow_hosts = "example.com"', {}, ["allow_hosts is a list of texts; received 'example.com' (str)"]),
        (
            'allow_hosts = ["https://example.com/"]',
            {},
            ["allow_hosts has 'https://example.com/', which is no host. Write a name"],
        ),
        ('allow_hosts = ["example.com:99999"]', {}, ["allow_hosts has 'example.com:99999', which is no host"]),
        ("parameters = { A = { B = 1 } }", {}, ["parameters is a table of texts, numbers and booleans"]),
        ('stages = "pr"', {}, ["holds a table per stage pattern"]),
        ("", {"STAGEFRIGHT_SEED": "many"}, ["STAGEFRIGHT_SEED: seed is a whole number; received 'many' (str)"]),
        (
            "",
            {"STAGEFRIGHT_STRICT_TEMPLATE": "maybe"},
            ["STAGEFRIGHT_STRICT_TEMPLATE: strict_template is true or false; received 'maybe'"],
        ),
        ("", {"STAGEFRIGHT_EXPORTS": "{broken"}, ["STAGEFRIGHT_EXPORTS: exports is a table"]),
        (
            "at_least_once = {duplicate_probabilty = 1}",
            {},
            [
                "pyproject.toml: there is no setting at_least_once.duplicate_probabilty. Did you mean duplicate_probability?"
            ],
        ),
        (
            "at_least_once = {duplicate_probability = {Jobs = 2}}",
            {},
            ["at_least_once.duplicate_probability.Jobs is a number from 0 to 1", "received 2."],
        ),
        (
            "",
            {"STAGEFRIGHT_AT_LEAST_ONCE": "reorder_probability=often"},
            ["at_least_once.reorder_probability is a number from 0 to 1", "received 'often'."],
        ),
        (
            "assumptions = {stream_retry_frist_s = 1}",
            {},
            ["pyproject.toml: there is no assumption 'stream_retry_frist_s'. Did you mean stream_retry_first_s?"],
        ),
        (
            "assumptions = {stream_retry_first_s = -1}",
            {},
            ["stream_retry_first_s is a number, not below zero; received -1."],
        ),
        (
            "",
            {"STAGEFRIGHT_ASSUMPTIONS": "retry_jitter=x"},
            ["retry_jitter is a number, not below zero; received 'x'."],
        ),
        ("", {"STAGEFRIGHT_REGOIN": "x"}, ["STAGEFRIGHT_REGOIN: there is no setting 'regoin'", "region"]),
    ],
)
def test_a_wrong_setting_says_where_what_and_what_was_expected(project, toml, environ, parts):
    """The error names the origin, the key, what it takes and what it got, or the nearest key."""
    with pytest.raises(SettingsError) as caught:
        project(f"[tool.stagefright]\n{toml}", environ=environ)

    for part in parts:
        assert part in str(caught.value)


def test_all_wrong_settings_are_reported_at_once(project):
    """Two mistakes take one run to find, not two."""
    with pytest.raises(SettingsError, match=r"(?s)regoin.*seed"):
        project('[tool.stagefright]\nregoin = "x"\nseed = "y"')


def test_a_typo_in_the_table_of_another_stage_is_found(project):
    """A stage's table is checked before that stage is first used."""
    with pytest.raises(SettingsError, match=r'stages\."prod-\*".*regoin'):
        project('[tool.stagefright.stages."prod-*"]\nregoin = "x"', stage="local")


def test_malformed_toml_is_reported_with_its_place(project, tmp_path):
    """The parser's line and column reach the user, with the file's name."""
    with pytest.raises(SettingsError, match=r"pyproject\.toml is not valid TOML.*line 1"):
        project("region = = 1")


def test_a_table_that_is_no_table_is_refused(project):
    """`tool.stagefright = 1` is a mistake, not an empty table."""
    with pytest.raises(SettingsError, match="is a table, not 1"):
        project("[tool]\nstagefright = 1")


@pytest.mark.parametrize("name", ["local", "my-feature", "7", "pr-123", "a--b"])
def test_a_stage_name_may_have_lower_case_letters_digits_and_hyphens(name):
    """Names that AWS takes in every resource name are taken here."""
    assert check_stage_name(name) == name


@pytest.mark.parametrize(
    ("name", "suggestion"), [("My_Feature", "my-feature"), ("-x", "x"), ("", "local"), ("a b", "a-b"), ("x\n", "x")]
)
def test_a_wrong_stage_name_comes_with_one_that_works(name, suggestion):
    """The error repeats the name, states the rule, and suggests the nearest good name."""
    with pytest.raises(SettingsError) as caught:
        check_stage_name(name)

    assert repr(name) in str(caught.value)
    assert repr(suggestion) in str(caught.value)


def test_every_setting_of_the_design_exists():
    """The keys are a contract with users' pyproject.toml files."""
    keys = (
        "template stack stack_name parameters target service region account profile deploy remove image endpoint_url allow_hosts protected "
        "accounts strict_template shared seed account_concurrency executor assumptions at_least_once exports "
        "ssm_parameters secrets blast_radius quiet settle_within correlation_keys chaos_lease leak_scan chaos_runtime claims claim_wait"
    )

    assert set(KINDS) == set(keys.split())
    assert isinstance(Settings(), Settings)
