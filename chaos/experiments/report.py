"""The report of an experiment: what was done, step by step, and what did not go as expected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stagefright.chaos.checks.verdict import Verdict
from stagefright.errors import BrokenPromise, ExperimentFailed, HarnessError, StagefrightError
from stagefright.journal import Record
from stagefright.wording import offset

if TYPE_CHECKING:
    from stagefright.chaos.experiments.expected import Expected
    from stagefright.chaos.experiments.step import Scene, Step


class Report:
    """What an experiment did and found. It is true if all went as expected; as text it is the whole story."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.lines: list[str] = []
        """What was done."""
        self.problems: list[str] = []
        """What did not go as expected."""
        self.verdicts: list[tuple[Expected, Verdict]] = []
        """The checks with the verdicts that they gave."""
        self._phase = ""
        self._numbers = [0]
        self._is_told: list[BaseException] = []

    def __bool__(self) -> bool:
        return not self.problems

    def __str__(self) -> str:
        outcome = "did not go as expected" if self.problems else "went as expected"
        wrong = [f"  - {_indented(problem)}" for problem in self.problems]
        return "\n".join([f"The experiment {self.title!r} {outcome}.", *wrong, "What was done:", *self.lines])

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """A part of the experiment; an error of the system or of the experiment ends it, and is a problem."""
        if name != self._phase:
            self.lines.append(f"  {name}")
        self._phase, self._numbers = name, [0]
        try:
            yield
        except Exception as error:
            if not _is_finding(error):
                error.add_note(f"It happened in the experiment {self.title!r}, {name}, step {self._number}.")
                raise
            if error not in self._is_told:
                self._tell(error, name)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """The steps of a step."""
        self._numbers.append(0)
        try:
            yield
        finally:
            self._numbers.pop()

    def perform(self, step: Step, scene: Scene) -> None:
        """Take a step, and note how it went."""
        self._numbers[-1] += 1
        number, place, start = self._number, len(self.lines), scene.stage.clock.now()
        indent = "  " * len(self._numbers)
        self.lines.append(f"  {indent}{number}. {step!r}")
        try:
            step.perform(scene)
        except Exception as error:
            if _is_finding(error) and error not in self._is_told:
                self.lines[place] += "   <-- failed here"
                self._tell(error, f"{self._phase}, step {number} ({step!r})")
            raise
        scene.chaos.look()
        took_s = scene.stage.clock.now() - start
        self.lines[place] += f"   ({offset(took_s)})" if took_s else ""

    def judge(self, expected: Expected, records: Iterable[Record]) -> None:
        """Hear a check, and compare its verdict with the expected one."""
        verdict = expected.check(records)
        self.verdicts.append((expected, verdict))
        self.lines.append(f"    {expected.check!r}: {verdict.rank.name.lower()}. {verdict.reason}")
        if verdict.rank is not expected.rank:
            self.problems.append(f"{self._phase}: expected {expected.verdict}, and found\n{verdict}")

    def conclude(self) -> None:
        """Raise `ExperimentFailed` unless all went as expected."""
        if self.problems:
            raise ExperimentFailed(str(self)) from (self._is_told[0] if self._is_told else None)

    @property
    def _number(self) -> str:
        return ".".join(map(str, self._numbers))

    def _tell(self, error: BaseException, where: str) -> None:
        self._is_told.append(error)
        kind = "" if isinstance(error, BrokenPromise) else f"{type(error).__name__}: "
        self.problems.append("\n".join([f"{where}: {kind}{error}", *getattr(error, "__notes__", ())]))


def _is_finding(error: Exception) -> bool:
    """Whether an error tells of the system or of the experiment; any other is a bug of ours, and keeps its traceback."""
    from botocore.exceptions import BotoCoreError, ClientError
    from requests import RequestException

    known = (BrokenPromise, StagefrightError, BotoCoreError, ClientError, RequestException)
    return isinstance(error, known) and not isinstance(error, HarnessError)


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")
