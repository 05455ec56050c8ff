"""A user of a Cognito user pool, made as an administrator makes one: without mails, with a password for good."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from stagefright.errors import UsageError, nearest
from stagefright.ledger.undo.answers import found
from stagefright.ledger.undo.users import attributes_of, groups_of


@dataclass(frozen=True, slots=True)
class NewUser:
    """What a user is to be like."""

    pool: str
    username: str
    password: str | None
    attributes: Mapping[str, str]
    groups: tuple[str, ...]

    def before(self, cognito: Any) -> dict[str, Any] | None:
        """The attributes and groups of the user that is there; None if there is none."""
        now = found(lambda: cognito.admin_get_user(**self._where), "UserNotFoundException")
        self._check_groups(cognito)
        if now is None:
            return None
        if self.password is not None:
            raise UsageError(
                f"The pool {self.pool} has a user {self.username!r} already. A password cannot be read, so a new one could not be taken "
                "back. Choose another user name, or leave the password out."
            )
        return {"attributes": attributes_of(now), "groups": groups_of(cognito, self._where)}

    def steps(self, cognito: Any, *, is_there: bool) -> Iterator[Callable[[], Any]]:
        """The calls that make the user, or change the one that is there, in their order."""
        attributes = [{"Name": name, "Value": value} for name, value in self.attributes.items()]
        if not is_there:
            given = {"UserAttributes": attributes, "MessageAction": "SUPPRESS"}
            yield lambda: cognito.admin_create_user(**self._where, **given)
        elif attributes:
            yield lambda: cognito.admin_update_user_attributes(**self._where, UserAttributes=attributes)
        if self.password is not None:
            yield lambda: cognito.admin_set_user_password(**self._where, Password=self.password, Permanent=True)
        for group in self.groups:
            yield partial(cognito.admin_add_user_to_group, **self._where, GroupName=group)

    @property
    def _where(self) -> dict[str, str]:
        return {"UserPoolId": self.pool, "Username": self.username}

    def _check_groups(self, cognito: Any) -> None:
        """A group that is not there would be found out only when the user is made already."""
        if not self.groups:
            return
        pages = cognito.get_paginator("list_groups").paginate(UserPoolId=self.pool)
        known = [group["GroupName"] for page in pages for group in page["Groups"]]
        for group in self.groups:
            if group not in known:
                raise UsageError(f"The pool {self.pool} has no group {group!r}. {nearest(group, known)}")
