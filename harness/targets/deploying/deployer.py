"""Stands the stack of a stage up, or brings it up to date: by CloudFormation, or by the command in the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from stagefright.errors import AccountRefused, SettingsError, TargetError
from stagefright.ledger.ledger import Ledger, Line
from stagefright.protection import protecting
from stagefright.settings import Settings
from stagefright.targets.account import Account
from stagefright.targets.deploying.change_sets import ChangeSet, Order, change_sets_of, new_token, run_behind
from stagefright.targets.deploying.code_bucket import CodeBucket
from stagefright.targets.deploying.commands import command_line, run_command
from stagefright.targets.deploying.expansion import Expansion, StaticScope
from stagefright.targets.deploying.injection import INJECT, NONE, Injection, function_runtime, lines_of
from stagefright.targets.deploying.packaging import Packaging, as_it_is, stack_parameters
from stagefright.targets.deploying.parts import Part
from stagefright.targets.deploying.removal import abandon_stack, remove_stack
from stagefright.targets.deploying.sam_build import built
from stagefright.targets.deploying.stack_events import Progress
from stagefright.targets.run import TAG_PREFIX, Run, iso
from stagefright.targets.stack import REVIEWED, described, tags_of
from stagefright.targets.stack_states import check_state
from stagefright.templates import StackSource, find_template, read_project

CREATED, UPDATED, UNCHANGED = "created", "updated", "unchanged"


@dataclass
class Deployer:
    """Deploys one stack of a stage in the name of one run, and can take back what it made."""

    name: str
    part: Part
    settings: Settings
    account: Account
    run: Run
    ledger: Ledger
    progress: Progress

    def __post_init__(self) -> None:
        self.stack = self.part.stack
        self._bucket = CodeBucket(self.account, run=self.run, stage=self.name, stack=self.stack, ledger=self.ledger)
        self._line: Line | None = None
        self._made: str | None = None

    def deploy(self) -> str:
        """Deploy, whatever is there: `created`, `updated` or `unchanged`. Raises `TargetError`."""
        refuse_protected("deploy", self.name, self.settings, self.account)
        if self.settings.deploy is not None:
            return self._deploy_by_command(self.settings.deploy)
        source = self._source()
        with self.account.explained(f"deploy the stack {self.stack}"):
            return self._deploy(source)

    def remove(self) -> None:
        """Take away what `deploy` created; to be called only if that is what it did."""
        refuse_protected("remove", self.name, self.settings, self.account)
        self.progress(f"removing the stack {self.stack}")
        if self.settings.remove is not None:
            command = command_line("remove", self.settings.remove, self.name, self.settings)
            run_command("remove", command, self.settings, self.account, self.progress)
        else:
            # By the id of what was made, if it was made here: a new stack of that name is somebody else's.
            remove_stack(self.account, self._made or self.stack, progress=self.progress)
        self._bucket.clear()
        if self._line is not None:
            self._line()

    def keep(self) -> None:
        """Leave what `deploy` created, on purpose: its line in the ledger says so."""
        if self._line is not None:
            self._line.keep()
        self._bucket.keep()

    # -- by CloudFormation -------------------------------------------------------------------------------------------

    def _source(self) -> StackSource:
        source = self.part.source or self._only_source()
        source.require_artifacts()
        self._check_home(source)
        return self.part.own(source)

    def _only_source(self) -> StackSource:
        path = self.settings.template or find_template(self.settings.directory)
        (source,) = built(read_project(path)).chosen(self.settings.stack)
        return source

    def _check_home(self, source: StackSource) -> None:
        """CDK writes the account and region of a stack with an environment into its template; elsewhere they would be wrong."""
        if self.account.is_emulator:
            return
        for what, wanted, given in (
            ("region", source.region, self.account.region),
            ("account", source.account, self.account.id),
        ):
            if wanted and wanted != given:
                raise SettingsError(
                    f"The stack {source.name} is meant for the {what} {wanted}, as {source.file} says; the stage's {what} is {given}. Set "
                    f"[tool.stagefright] {'region' if what == 'region' else 'profile'}, or synthesize the stack for {given}."
                )

    def _deploy(self, source: StackSource) -> str:
        there = described(self.account, self.stack)
        is_new = there is None or there["StackStatus"] == REVIEWED
        if not is_new:
            check_state(self.account, there or {})
        order = self._order(source, {} if is_new else there or {}, is_new=is_new)
        self.progress(f"{'creating' if is_new else 'updating'} the stack {self.stack} in {self.account.region}")
        if not is_new:
            return UPDATED if ChangeSet(self.account, order, self.progress).carry_out() else UNCHANGED
        self._note()
        self._create(order)
        return CREATED

    def _order(self, source: StackSource, there: Mapping[str, Any], *, is_new: bool) -> Order:
        known = frozenset(one["ParameterKey"] for one in there.get("Parameters", ()))
        given = self.part.parameters(self.settings.parameters)
        parameters = stack_parameters(source.template, given, known_before=known, file=source.file)
        injection = self._injection()
        template = Packaging(self.account, self._bucket, self._transform(), injection).request(source)
        for line in lines_of(injection) if injection else ():
            self.progress(line)
        tags = self.run.tags(self.name) if is_new else self._renewed(tags_of(there))
        return Order(
            self.stack,
            is_new,
            template,
            parameters,
            tags,
            outputs=frozenset(
                name for name, one in source.template.get("Outputs", {}).items() if "Condition" not in one
            ),
            token=new_token(self.run.id),
        )

    def _transform(self) -> Any:
        if not self.account.is_emulator:
            return as_it_is
        return Expansion(self._scope(), inside_url=self.account.inside_url)

    def _scope(self) -> StaticScope:
        parameters = self.part.parameters(self.settings.parameters)
        return StaticScope(self.account.id, self.account.region, self.stack, parameters)

    def _injection(self) -> Injection | None:
        """What puts the chaos runtime into the functions, if that is wished; in an emulator it is unless refused."""
        if (self.settings.chaos_runtime or (INJECT if self.account.is_emulator else NONE)) != INJECT:
            return None
        return Injection(function_runtime(), self.name, self.stack, self._scope(), is_emulator=self.account.is_emulator)

    def _renewed(self, tags: Mapping[str, str]) -> dict[str, str]:
        """
        A stack stays whose it is: the tags of one that we made only get a later end, and one that we did not make gets none.

        New tags are a change to every resource, so they wait until less than half of a lease is left.
        """
        ends = f"{TAG_PREFIX}expires"
        half = iso(self.run.created + (self.run.expires - self.run.created) / 2)
        return {**tags, ends: iso(self.run.expires)} if tags.get(ends, half) < half else dict(tags)

    def _create(self, order: Order) -> None:
        change_set = ChangeSet(self.account, order, self.progress)
        try:
            change_set.carry_out()
            self._made = change_set.stack_id
        except TargetError as failure:
            self._take_back(failure)
            raise
        except BaseException:
            # Interrupted: what was begun is called off, and the ledger knows of it until it is gone.
            with suppress(TargetError):
                if (stack := self._own_stack()) is not None:
                    abandon_stack(self.account, stack)
            raise

    def _own_stack(self) -> str | None:
        """
        The id of the stack, if this run has begun it.

        Another run may have found none either, and made it meanwhile; what nobody began is a shell without a change set.
        """
        there = described(self.account, self.stack)
        if there is None:
            return None
        run = run_behind(self.account, there)
        is_shell = run is None and there["StackStatus"] == REVIEWED and not change_sets_of(self.account, there)
        return str(there["StackId"]) if run == self.run.id or is_shell else None

    def _take_back(self, failure: TargetError) -> None:
        try:
            if (stack := self._own_stack()) is not None:
                self.progress(f"taking back the stack {self.stack}")
                remove_stack(self.account, stack, progress=self.progress)
            self._bucket.clear()
        except TargetError as problem:
            failure.args = (f"{failure}\nNor could it be taken back. {problem}",)
        else:
            assert self._line is not None
            self._line()

    def _note(self, **detail: Any) -> None:
        self._line = self.ledger.note("stack", self.stack, **detail)

    # -- by a command ------------------------------------------------------------------------------------------------

    def _deploy_by_command(self, text: str) -> str:
        command = command_line("deploy", text, self.name, self.settings)
        if self.settings.remove is not None:
            command_line(
                "remove", self.settings.remove, self.name, self.settings
            )  # a mistake in it is told before anything is made
        was_there = described(self.account, self.stack) is not None
        if not was_there:
            # It has no tags of ours, so the ledger alone knows whose it is.
            self._note(untagged=True)
        run_command("deploy", command, self.settings, self.account, self.progress)
        if described(self.account, self.stack) is None:
            raise TargetError(
                f"The command of the setting `deploy` has run, but there is no stack {self.stack} in {self.account.region}: {command}\n"
                "Say what it calls the stack: [tool.stagefright] stack_name (with {service} and {stage}); and see that it deploys to "
                f"the account {self.account.id} and that region."
            )
        return UPDATED if was_there else CREATED


class StageDeployer:
    """Deploys all stacks of a stage, in order, and can take back those that it made."""

    def __init__(self, deployers: Sequence[Deployer], ledger: Ledger) -> None:
        self.deployers = deployers
        self.ledger = ledger
        self._created: list[Deployer] = []

    def deploy(self) -> str:
        """
        Deploy: `created` if one of them was, else `updated` if one was, else `unchanged`.

        If one fails, those that were created before it are removed again. Raises `TargetError`.
        """
        outcomes = set()
        try:
            for deployer in self.deployers:
                outcomes.add(outcome := deployer.deploy())
                if outcome == CREATED:
                    self._created.append(deployer)
        except TargetError:
            self.remove()
            raise
        return next(one for one in (CREATED, UPDATED, UNCHANGED) if one in outcomes)

    def remove(self) -> None:
        """Take away what was created, the last first."""
        while self._created:
            self._created.pop().remove()

    def keep(self) -> None:
        """Leave what was created, on purpose."""
        for deployer in self._created:
            deployer.keep()

    def close(self) -> None:
        """Let go of the ledger; what stands in it is a sweep's."""
        self.ledger.close()


def refuse_protected(act: str, stage: str, settings: Settings, account: Account) -> None:
    """Raise `AccountRefused` if the settings protect the stage, or the account, from being deployed or removed."""
    for what, name in (("stage", stage), ("account", account.id)):
        pattern = protecting(name, settings.protected)
        if pattern is not None:
            by = "" if pattern == name else f" by the pattern {pattern!r}"
            raise AccountRefused(
                f"Refused to {act} the stage {stage!r}: the {what} {name!r} is protected{by}. The setting `protected` is "
                f"{list(settings.protected)}.\nA protected stage that is there can be tested; to {act} one, choose another name "
                "(--stage=NAME)."
            )
