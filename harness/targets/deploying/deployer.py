"""Stands the stack of a stage up, or brings it up to date: by CloudFormation, or by the command in the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from stagefright.errors import AccountRefused, SettingsError, TargetError, UsageError
from stagefright.ledger.ledger import Ledger, Line
from stagefright.protection import protecting
from stagefright.settings import Settings
from stagefright.targets.account import Account
from stagefright.targets.deploying.by_command import CommandDeployment, remove_by_command
from stagefright.targets.deploying.change_sets import ChangeSet, Order, change_sets_of, new_token, run_behind
from stagefright.targets.deploying.code_bucket import CodeBucket, bucket_name, take_away_object
from stagefright.targets.deploying.expansion import Expansion, StaticScope
from stagefright.targets.deploying.injection import INJECT, NONE, Injection, function_runtime, lines_of
from stagefright.targets.deploying.packaging import NoBucket, Packaging, as_it_is, stack_parameters, template_of
from stagefright.targets.deploying.parts import Part
from stagefright.targets.deploying.removal import abandon_stack, call_off_update, code_of, remove_stack
from stagefright.targets.deploying.sam_build import built
from stagefright.targets.deploying.stack_events import Progress, StackEvents, follow
from stagefright.targets.run import Run
from stagefright.targets.stack import REVIEWED, described, tags_of
from stagefright.targets.stack_states import check_state
from stagefright.templates import StackSource, find_template, read_project

CREATED, UPDATED, UNCHANGED = "created", "updated", "unchanged"

HIDDEN = "****"
"""What CloudFormation shows of a parameter that is `NoEcho`."""


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
        """Take away by CloudFormation what `deploy` created; to be called only if that is what it did."""
        refuse_protected("remove", self.name, self.settings, self.account)
        self.progress(f"removing the stack {self.stack}")
        # By the id of what was made, if it was made here: a new stack of that name is somebody else's.
        remove_stack(self.account, self._made or self.stack, progress=self.progress)
        self.forget()

    def forget(self) -> None:
        """The stack is gone: so is what it had in the bucket, and its line in the ledger."""
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
        if there is not None and there["StackStatus"] != REVIEWED:
            return self._update(source, there)
        order = self._order(source, {}, is_new=True)
        self.progress(f"creating the stack {self.stack} in {self.account.region}")
        self._note()
        self._create(order)
        return CREATED

    def _update(self, source: StackSource, there: Mapping[str, Any]) -> str:
        check_state(self.account, there, "brought up to date")
        stack_id = str(there["StackId"])
        if there["StackStatus"].endswith("_IN_PROGRESS"):  # the last update still clears away what it replaced
            follow(self.account, stack_id, StackEvents(self.account, stack_id), self.progress)
        before = frozenset(code_of(self.account, stack_id))
        self._bucket.held = before
        try:
            order = self._order(source, there, is_new=False)
            self.progress(f"comparing the stack {self.stack} in {self.account.region} with the project")
            is_changed = ChangeSet(self.account, order, self.progress).carry_out()
        except UsageError:
            # It was refused, or is rolled back: nothing needs any more what was sent for it.
            with suppress(TargetError):
                self._bucket.clear()
            raise
        except BaseException:
            # Interrupted: what was begun is called off, and the ledger knows what was sent for it.
            with suppress(TargetError):
                call_off_update(self.account, stack_id)
            raise
        self._bucket.hand_over()
        for key in sorted(before.difference(code_of(self.account, stack_id)) if is_changed else ()):
            take_away_object(self.account, bucket_name(self.account), key, self.stack)
        return UPDATED if is_changed else UNCHANGED

    def differs(self) -> bool:
        """Whether what is deployed has another template, other code or other parameters than the project now; nothing is sent."""
        there = described(self.account, self.stack)
        if there is None or there["StackStatus"] == REVIEWED:
            return True
        source = self._source()
        given = self.part.parameters(self.settings.parameters)
        # What a template does not show (NoEcho) is not compared.
        held = {one["ParameterKey"]: one.get("ParameterValue") for one in there.get("Parameters", ())}
        if any(name in held and held[name] not in (value, HIDDEN) for name, value in given.items()):
            return True
        bucket = NoBucket(bucket_name(self.account))
        text = Packaging(self.account, bucket, self._transform(), self._injection()).text(source)
        with self.account.explained(f"read the template of the stack {self.stack}"):
            return template_of(self.account, str(there["StackId"])) != text

    def _order(self, source: StackSource, there: Mapping[str, Any], *, is_new: bool) -> Order:
        known = frozenset(one["ParameterKey"] for one in there.get("Parameters", ()))
        given = self.part.parameters(self.settings.parameters)
        parameters = stack_parameters(source.template, given, known_before=known, file=source.file)
        injection = self._injection()
        template = Packaging(self.account, self._bucket, self._transform(), injection).request(source)
        for line in lines_of(injection) if injection else ():
            self.progress(line)
        # A stack stays whose it is. Nor is its lease renewed by tags: new ones are a change to every resource (see `pulse.py`).
        tags = self.run.tags(self.name) if is_new else tags_of(there)
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
        command = CommandDeployment(
            self.name, self.stack, self.settings, self.account, self.run, self.ledger, self.progress
        )
        try:
            is_created = command.carry_out(text)
        finally:
            self._line, self._made = command.line, command.stack_id
        return CREATED if is_created else UPDATED


class StageDeployer:
    """Deploys all stacks of a stage, in order, and can take back those that it made."""

    def __init__(self, deployers: Sequence[Deployer], ledger: Ledger) -> None:
        self.deployers = deployers
        self.ledger = ledger
        self._created: list[Deployer] = []

    def deploy(self) -> str:
        """
        Deploy: `created` if one of them was, else `updated` if one was, else `unchanged`.

        If one fails, those that were created before it are removed again. Raises `UsageError`: a `TargetError`, if it was AWS.
        """
        outcomes: dict[str, str] = {}
        try:
            for deployer in self.deployers:
                outcomes[deployer.stack] = outcome = deployer.deploy()
                if outcome == CREATED:
                    self._created.append(deployer)
        except UsageError as failure:
            updated = [stack for stack, outcome in outcomes.items() if outcome == UPDATED]
            if updated:
                failure.args = (f"{failure}\nUp to date already, and not taken back: {', '.join(updated)}.",)
            try:
                self.remove()
            except UsageError as problem:
                failure.args = (f"{failure}\nWhat was made before it could not be taken back. {problem}",)
            raise
        return next(one for one in (CREATED, UPDATED, UNCHANGED) if one in outcomes.values())

    def remove(self) -> None:
        """Take away what was created, the last first; by the command of the settings, once, if that is the whole stage."""
        one = self.deployers[0]
        if one.settings.remove is not None and self._created and len(self._created) == len(self.deployers):
            refuse_protected("remove", one.name, one.settings, one.account)
            stacks = [deployer.stack for deployer in self._created]
            remove_by_command(one.name, stacks, one.settings, one.account, one.run, one.progress)
            while self._created:
                self._created.pop().forget()
        while self._created:
            self._created.pop().remove()

    def differs(self) -> bool:
        """Whether one of the stacks is not what the project has now."""
        return any(deployer.differs() for deployer in self.deployers)

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
