"""The page of rules: what it says must reach the reader as it is written."""

from __future__ import annotations

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
