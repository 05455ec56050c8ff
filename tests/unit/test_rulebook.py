"""The page of rules: what it says must reach the reader as it is written."""

from __future__ import annotations

import re

import pytest


@pytest.fixture
def rulebook(request):
    """The conftest that writes docs/semantics.md."""
    manager = request.config.pluginmanager
    return next(plugin for plugin in manager.get_plugins() if hasattr(plugin, "read_chapters"))


class TestPage:
    def test_brackets_stars_and_tags_are_shown(self, rulebook):
        """A regular expression is no link, `RequestId: <id>` no tag."""
        rule = rulebook.Rule("1/x", "an <id> of `<any>` kind", "[a-z](_)+ *|x", "DG")
        assert rulebook._row(rule, set()) == r"| 1 | an \<id\> of `<any>` kind | \[a-z\](_)+ \*\|x |  |"

    def test_the_contents_lead_to_every_chapter(self, rulebook):
        """Each line names a heading below it, in the way that GitHub makes addresses of headings."""
        page = rulebook.render(rulebook.read_chapters(), {})
        headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
        contents = re.findall(r"^- \[(.*)\]\(#(.*?)\)", page, re.MULTILINE)

        assert [text for text, _ in contents] == headings
        assert len({anchor for _, anchor in contents}) == len(headings)
        assert ("Assumptions", "assumptions") in contents
        assert rulebook._anchor("6.3 Targets, input & paths (SAM's)") == "63-targets-input--paths-sams"

    def test_a_chapter_says_how_many_rules_it_has(self, rulebook):
        """The sum is what the first line says."""
        page = rulebook.render(rulebook.read_chapters(), {})
        counts = [int(count) for count in re.findall(r"\): (\d+) rules?$", page, re.MULTILINE)]
        assert f"of the {sum(counts)} rules below" in page


class TestMarks:
    def test_each_rule_that_a_mark_names_counts(self, request, rulebook):
        """A mark that names several rules proves them all, and one that does not exist is refused wherever it stands."""
        item = type(request.node).from_parent(
            request.node.parent, name=request.node.originalname, callobj=request.node.obj
        )
        item.add_marker(pytest.mark.rule("4.1/batching-window", "4.1/no-such-rule"))
        with pytest.raises(pytest.UsageError, match=r"no rule '4\.1/no-such-rule'"):
            rulebook.pytest_collection_modifyitems([item])
        assert ("rule", "4.1/batching-window") in item.user_properties
