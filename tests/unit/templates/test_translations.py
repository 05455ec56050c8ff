"""A template that was translated before is not translated again, and nobody can tell the difference but by the time."""

import json
import subprocess
import sys
from datetime import date

import pytest

from stagefright.templates import translations
from stagefright.templates.translations import directory, kept

DOCUMENT = {"Resources": {"Fn": {"Type": "AWS::Serverless::Function"}}}


@pytest.fixture
def cache():
    """The test's cache."""
    return directory()


class Translator:
    """Counts how often it is asked."""

    def __init__(self, answer=None):
        self.answer = answer or {"Resources": {"B": 1, "A": 2}}
        self.count = 0

    def __call__(self):
        self.count += 1
        return self.answer


def test_the_second_time_it_comes_from_disk():
    """With its order, which is the order of deployment."""
    translator = Translator()
    kept(DOCUMENT, {}, "us-east-1", translator)

    again = kept(DOCUMENT, {}, "us-east-1", translator)

    assert 1 == translator.count
    assert ["B", "A"] == list(again["Resources"])


@pytest.mark.parametrize("home", ["", "caches"], ids=["no home", "a relative one"])
def test_without_a_home_nothing_is_kept(tmp_path, monkeypatch, home):
    """A container's user may have none; nothing is written beside the tests then."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", home)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    translator = Translator()
    kept(DOCUMENT, {}, "us-east-1", translator)
    kept(DOCUMENT, {}, "us-east-1", translator)

    assert 2 == translator.count
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "asked",
    [
        ({"Resources": {"Fn": {"Type": "AWS::Serverless::Api"}}}, {}, "us-east-1"),
        (DOCUMENT, {"Size": "1"}, "us-east-1"),
        (DOCUMENT, {}, "eu-west-1"),
    ],
    ids=["document", "parameters", "region"],
)
def test_another_question_is_another_translation(asked):
    """Whatever the translator is given is part of the question."""
    kept(DOCUMENT, {}, "us-east-1", Translator())
    other = Translator()

    kept(*asked, other)

    assert 1 == other.count


def test_another_translator_translates_anew(monkeypatch):
    """An update of aws-sam-translator may translate in another way."""
    kept(DOCUMENT, {}, "us-east-1", Translator())
    monkeypatch.setattr(translations, "version", lambda _name: "999.0")
    newer = Translator()

    kept(DOCUMENT, {}, "us-east-1", newer)

    assert 1 == newer.count


def test_what_the_translator_refuses_is_not_kept(cache):
    """The next run shows the same error, from the translator."""

    def refuse():
        raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        kept(DOCUMENT, {}, "us-east-1", refuse)

    assert not cache.exists()


@pytest.mark.parametrize("answer", [{"Resources": {1: "a"}}, {"Day": date(2026, 1, 1)}], ids=["key", "date"])
def test_what_json_does_not_have_is_translated_each_time(answer):
    """A translation that would come back changed is not kept."""
    translator = Translator(answer)

    assert answer == kept(DOCUMENT, {}, "us-east-1", translator)
    assert answer == kept(DOCUMENT, {}, "us-east-1", translator)
    assert 2 == translator.count


def test_a_document_that_json_does_not_have_is_translated_each_time():
    """YAML has dates."""
    translator = Translator()
    document = {"Metadata": {"Since": date(2026, 1, 1)}}

    kept(document, {}, "us-east-1", translator)
    kept(document, {}, "us-east-1", translator)

    assert 2 == translator.count


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b"\xff"])
def test_a_damaged_file_is_as_good_as_none(cache, garbage):
    """Somebody wrote into it, or the disk was full."""
    kept(DOCUMENT, {}, "us-east-1", Translator())
    [file] = cache.iterdir()
    file.write_bytes(garbage)
    translator = Translator()

    assert translator.answer == kept(DOCUMENT, {}, "us-east-1", translator)
    assert 1 == translator.count


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path, monkeypatch):
    """Some machines have no home, or one that is read only."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    translator = Translator()

    assert translator.answer == kept(DOCUMENT, {}, "us-east-1", translator)


def test_the_cache_does_not_grow_for_ever(cache, monkeypatch):
    """What was not used for longest goes first."""
    monkeypatch.setattr(translations, "FILES_MAX", 3)
    for size in range(5):
        kept(DOCUMENT, {"Size": size}, "us-east-1", Translator())

    assert 3 == len(list(cache.iterdir()))


def test_a_stage_comes_up_without_the_translator(tmp_path):
    """And is the same: same resources, same physical ids."""
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "Fn": {
                "Type": "AWS::Serverless::Function",
                "Properties": {"InlineCode": "", "Handler": "index.handler", "Runtime": "python3.12"},
            }
        },
    }
    (tmp_path / "template.json").write_text(json.dumps(template))
    program = (
        "import sys, stagefright\n"
        "with stagefright.open_stage('x', template='template.json') as stage:\n"
        "    print({name: one.physical_id for name, one in stage.resources.items()})\n"
        "print('samtranslator' in sys.modules, file=sys.stderr)\n"
    )

    def up():
        return subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)

    first, second = up(), up()

    assert ("True\n", "False\n") == (first.stderr, second.stderr)
    assert first.stdout == second.stdout
