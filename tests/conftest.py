"""
The rulebook: which rules of AWS a local stage follows, and which test proves each.

`tests/conformance/rules/*.toml` state the rules; a test proves one by its mark, `@pytest.mark.rule("2.1/function-error-ladder")`. From
both comes docs/semantics.md:

    pytest tests --rulebook=write     writes it (make conformance)
    pytest tests --rulebook=check     fails if it is not what these tests give, or a rule has no green test (make test)
"""

from __future__ import annotations

import ast
import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RULES = ROOT / "tests" / "conformance" / "rules"
ASSUMPTIONS = ROOT / "harness" / "assumptions.py"
PAGE = ROOT / "docs" / "semantics.md"

KEYS = {"id", "rule", "aws", "source"}
OPTIONAL_KEYS = {"assumed", "differs", "vector"}


@dataclass(frozen=True)
class Rule:
    """One rule of AWS."""

    id: str
    rule: str
    aws: str
    source: str
    assumed: str = ""
    """Fields of `Assumptions` that stand in for what AWS does not say."""
    differs: str = ""
    """Why the local stage does not follow it."""
    vector: bool = False
    """Whether AWS's answer was recorded and is a test vector."""

    @property
    def section(self) -> str:
        return self.id.partition("/")[0]

    @property
    def assumptions(self) -> list[str]:
        return [name.strip() for name in self.assumed.split(",") if name.strip()]


@dataclass
class Chapter:
    """The rules of one file."""

    title: str
    number: tuple[int, ...]
    rules: list[Rule] = field(default_factory=list)


def read_chapters() -> list[Chapter]:
    """All rules, in the order of their sections; refuses what is misspelt or said twice."""
    chapters, seen = [], set()
    for path in sorted(RULES.glob("*.toml")):
        stated = tomllib.loads(path.read_text("utf-8"))
        number = tuple(int(part) for part in re.match(r"[\d.]+\d|\d+", path.name)[0].split("."))
        chapter = Chapter(stated["title"], number)
        for entry in stated["rule"]:
            if not KEYS <= set(entry) <= KEYS | OPTIONAL_KEYS or entry["id"] in seen:
                raise pytest.UsageError(
                    f"{path.name}: {entry.get('id')!r} is said twice, or has other keys than a rule has: {sorted(entry)}"
                )
            seen.add(entry["id"])
            chapter.rules.append(Rule(**entry))
        chapters.append(chapter)
    return sorted(chapters, key=lambda chapter: chapter.number)


@pytest.fixture(scope="session")
def nursery():
    """Where processes of our own are forked from, when their imports are not what a test is about."""
    from tests.forks import Nursery

    with Nursery() as found:
        yield found


@pytest.fixture
def pytester(pytester, nursery, monkeypatch):
    """pytest's own, whose subprocesses have most imports behind them."""

    def popen(command, stdout, stderr, **_):
        path = os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")]))
        env = {**os.environ, "PYTHONPATH": path}
        return nursery.popen(command, cwd=Path.cwd(), env=env, stdout=stdout, stderr=stderr)

    monkeypatch.setattr(pytester, "popen", popen)
    return pytester


@pytest.fixture
def cold_start(pytester, monkeypatch):
    """In tests that have this, a subprocess of pytester's is Python started anew."""
    monkeypatch.delattr(pytester, "popen")


# -- options and hooks -------------------------------------------------------------------------------------------------


def pytest_addoption(parser):
    parser.addoption("--rulebook", choices=["write", "check"], help="write docs/semantics.md, or check that it is true")


def pytest_configure(config):
    config.addinivalue_line("markers", "rule(*ids): the rules of AWS that a test proves, see tests/conformance/rules")
    if config.getoption("--rulebook") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Rulebook(config))


def pytest_collection_modifyitems(items):
    """Refuse marks of unknown rules, and tests that do not name the section; tell the reports which rules a test proves."""
    marked = [(item, rule_id) for item in items for mark in item.iter_markers("rule") for rule_id in mark.args]
    known = {rule.id: rule for chapter in read_chapters() for rule in chapter.rules} if marked else {}
    problems = []
    for item, rule_id in marked:
        item.user_properties.append(("rule", rule_id))
        if rule_id not in known:
            problems.append(f"{_test_of(item.nodeid)}: there is no rule {rule_id!r}")
        elif f"§{known[rule_id].section}" not in _docstrings(item):
            problems.append(f"{_test_of(item.nodeid)}: its docstring does not name §{known[rule_id].section}")
    if problems:
        raise pytest.UsageError("\n".join(dict.fromkeys(problems)))


def _test_of(nodeid: str) -> str:
    """A test without its parameters."""
    return nodeid.partition("[")[0]


def _docstrings(item) -> str:
    owners = (item.function, item.cls, item.module)
    return " ".join(owner.__doc__ or "" for owner in owners if owner is not None)


class Rulebook:
    """Gathers outcomes on the process that prints, and writes or checks the page."""

    def __init__(self, config) -> None:
        self.config = config
        self.chapters = read_chapters()
        self.tests: dict[str, set[str]] = {}
        self.not_green: set[str] = set()
        self.complaints: list[str] = []

    def pytest_runtest_logreport(self, report):
        for name, rule_id in report.user_properties:
            if name == "rule":
                self.tests.setdefault(rule_id, set()).add(_test_of(report.nodeid))
                if not report.passed:
                    self.not_green.add(rule_id)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session):
        unproven = [rule.id for rule in self._rules() if not self._is_green(rule) and not rule.differs]
        if unproven:
            self.complaints.append(f"rules without a green test: {', '.join(unproven)}")
        self._compare_assumptions()
        page = render(self.chapters, self.tests)
        if self.config.getoption("--rulebook") == "write":
            PAGE.write_text(page, "utf-8")
        elif not PAGE.is_file() or PAGE.read_text("utf-8") != page:
            self.complaints.append(
                "docs/semantics.md is not what the rules and their tests give; run `make conformance`"
            )
        if self.complaints and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        rules = list(self._rules())
        green = sum(self._is_green(rule) for rule in rules)
        terminalreporter.section("rules of AWS")
        terminalreporter.line(
            f"{len(rules)} rules: {green} with a green test, {sum(bool(r.differs) for r in rules)} not followed"
        )
        for complaint in self.complaints:
            terminalreporter.line(complaint, red=True)

    def _compare_assumptions(self) -> None:
        """Each assumption stands behind a rule, and each rule names assumptions that there are."""
        named = {name for rule in self._rules() for name in rule.assumptions}
        there = {name for name, _, _ in read_assumptions()}
        for names, fault in ((named - there, "do not exist"), (there - named, "are named by no rule")):
            if names:
                self.complaints.append(f"assumptions that {fault}: {', '.join(sorted(names))}")

    def _rules(self) -> Iterator[Rule]:
        return (rule for chapter in self.chapters for rule in chapter.rules)

    def _is_green(self, rule: Rule) -> bool:
        return rule.id in self.tests and rule.id not in self.not_green


# -- the page ----------------------------------------------------------------------------------------------------------


def render(chapters: list[Chapter], tests: dict[str, set[str]]) -> str:
    """docs/semantics.md."""
    rules = [rule for chapter in chapters for rule in chapter.rules]
    followed = [rule for rule in rules if not rule.differs]
    lines = [
        "# Semantics: AWS's rules, and the test that proves each",
        "",
        "<!-- Generated by `make conformance` from tests/conformance/rules and the tests that prove them. Do not edit. -->",
        "",
        (
            f"A local stage follows {len(followed)} of the {len(rules)} rules below; {len(rules) - len(followed)} it does not, "
            f"and they say why. {sum(rule.vector for rule in rules)} are vectors: AWS's own answer was recorded, and the test has it."
        ),
        "What AWS does not say is an [assumption](#assumptions) that a project can change.",
        "",
        *map(_content, chapters),
        "- [Assumptions](#assumptions)",
    ]
    for chapter in chapters:
        lines += ["", f"## {_heading(chapter)}", ""]
        lines += ["| § | rule | AWS | proven by |", "|---|---|---|---|"]
        lines += [_row(rule, tests.get(rule.id, set())) for rule in chapter.rules]
    return "\n".join([*lines, *_assumptions(), ""])


def _heading(chapter: Chapter) -> str:
    return f"{'.'.join(map(str, chapter.number))} {chapter.title}"


def _content(chapter: Chapter) -> str:
    """A chapter's line in the table of contents."""
    count = len(chapter.rules)
    return f"- [{_heading(chapter)}](#{_anchor(_heading(chapter))}): {count} {'rule' if count == 1 else 'rules'}"


def _anchor(heading: str) -> str:
    """What GitHub calls a heading in an address: small letters, hyphens for blanks, and no punctuation."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _row(rule: Rule, tests: set[str]) -> str:
    aws = _plain(rule.aws) + (" (recorded)" if rule.vector else "")
    if rule.assumed:
        aws += f"; AWS does not say all of it, see {', '.join(f'`{name}`' for name in rule.assumptions)}"
    proof = ", ".join(_link(test) for test in sorted(tests))
    if rule.differs:
        proof = f"**not followed:** {_plain(rule.differs)}" + (f" ({proof})" if proof else "")
    return f"| {rule.section} | {_cell(_plain(rule.rule))} | {_cell(aws)} | {_cell(proof)} |"


def _link(nodeid: str) -> str:
    path, _, name = nodeid.partition("::")
    return f"[{name.rpartition('::')[2]}](../{path})"


def _plain(text: str) -> str:
    """What Markdown would take for a link, a tag or emphasis, as it stands; code stays code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if n % 2 else re.sub(r"[\[\]<>*]", r"\\\g<0>", part) for n, part in enumerate(parts))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _assumptions() -> Iterator[str]:
    yield from ["", "## Assumptions", ""]
    yield "AWS gives no value for these. Set them in `[tool.stagefright.assumptions]`; a run's header shows what was set."
    yield from ["", "| assumption | default | what it stands for |", "|---|---|---|"]
    for name, default, text in read_assumptions():
        yield f"| `{name}` | `{default}` | {_cell(text)} |"


def read_assumptions() -> Iterator[tuple[str, str, str]]:
    """The fields of `Assumptions`: name, default, and the text below."""
    body = next(node.body for node in ast.parse(ASSUMPTIONS.read_text("utf-8")).body if isinstance(node, ast.ClassDef))
    for declared, text in pairwise(body):
        if isinstance(declared, ast.AnnAssign):
            yield declared.target.id, ast.unparse(declared.value), text.value.value
