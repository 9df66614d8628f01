"""What is said of failures last: the message without what Hypothesis adds, and not too much of it."""

from __future__ import annotations

from tests.summary import MAX_LINES, MAX_WIDTH, gist

REPORT = """\
AssertionError: command seq=40 kind=NEW
expected outcome type=FILLED
was      outcome type=ACCEPTED
Falsifying example: test_core_equals_twin(
    sequence=
    command seq=1 kind=VENUE
"""


def test_the_gist_is_the_message_alone() -> None:
    """The command and both outcomes are kept, the falsifying sequence is not."""
    assert gist(REPORT).splitlines() == REPORT.splitlines()[:3]


def test_a_long_message_is_cut() -> None:
    """At most so many lines and columns are shown, and it is said how many lines are not."""
    exact = "\n".join(["x" * MAX_WIDTH] * MAX_LINES)
    assert gist(exact) == exact
    assert gist(exact + "\ny").splitlines()[-2:] == ["x" * MAX_WIDTH, "… and 2 more lines"]
    assert len(gist(exact + "\ny").splitlines()) == MAX_LINES
    assert gist("x" * (MAX_WIDTH + 1)) == "x" * (MAX_WIDTH - 2) + " …"
