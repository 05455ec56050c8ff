"""How AWS counts the complexity of wildcards."""

from __future__ import annotations

import pytest

from stagefright.patterns import wildcard


class TestComplexity:
    """§6.2: the number of prefixes of the pattern that one text can match at the same time"""

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("abc", 1),
            ("*", 1),
            ("1*2", 2),
            ("*123", 2),
            ("*z*", 3),
            ("/Users/*/dir/dir/dir/dir/dir/doc.txt", 7),
            ("*:*:*:*:*:event-bus/*", 11),
        ],
    )
    def test_known_values(self, pattern, expected):
        """The values of the open-source matcher's own tests, and of the two patterns recorded from AWS."""
        assert wildcard.complexity(wildcard.parse(pattern), stop_above=100) == expected

    def test_counting_ends_early(self):
        """A hopeless pattern costs no more than the limit."""
        tokens = wildcard.parse("*a" * 1_000)

        assert wildcard.complexity(tokens, stop_above=9) > 9
