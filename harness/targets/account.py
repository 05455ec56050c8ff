"""The way to an AWS account, or to an emulator that stands in for one: boto3 clients, and who answers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

from stagefright.errors import AccountRefused, UsageError, nearest
from stagefright.targets.refusals import explained, way_in_words

EMULATOR_KEY = "test"
"""The credentials that emulators are asked with; those of the environment never go to one."""

ANSWER_WITHIN_S = 900
"""How long a synchronous invocation may take: Lambda's longest timeout."""

_GRACE_S = 30

SKEW_MIN_S = 1.5
"""A difference between the clocks that is too small to be told from the answer's way: a `Date` header knows seconds only."""


class Account:
    """One account and region; with an `endpoint_url` an emulator, which is never shown real credentials."""

    def __init__(
        self,
        *,
        region: str,
        profile: str | None = None,
        endpoint_url: str | None = None,
        access_key: str = EMULATOR_KEY,
        inside_url: str | None = None,
        machine_inside: str | None = None,
    ) -> None:
        if endpoint_url is not None and not endpoint_url.startswith(("http://", "https://")):
            raise UsageError(
                f"endpoint_url is a URL such as http://127.0.0.1:4566; received {endpoint_url!r}. Did you mean http://{endpoint_url}?"
            )
        self.region = region
        self.profile = profile
        self.endpoint_url = endpoint_url and endpoint_url.rstrip("/")
        self.inside_url = inside_url or self.endpoint_url or ""
        """Where an emulator answers the functions that run in it."""
        self.machine_inside = machine_inside
        """What this machine is called by functions for which loopback is not this machine; None where nobody knows of another name."""
        self._access_key = access_key
        self._clients: dict[str, Any] = {}
        self._session: Any = None
        self._id: str | None = None

    @property
    def is_emulator(self) -> bool:
        """Whether it is not AWS itself."""
        return self.endpoint_url is not None

    @property
    def access_key(self) -> str:
        """What an emulator is asked with; several keep an account of its own for each key of twelve digits."""
        return self._access_key

    @property
    def has_answered(self) -> bool:
        """Whether it has said who it is, so that it can be taken for what it should be."""
        return self._id is not None

    @property
    def id(self) -> str:
        """The account's 12 digits, as the account itself says."""
        if self._id is None:
            with self.explained("ask who owns the credentials"):
                self._id = str(self._asking_once("sts").get_caller_identity()["Account"])
        return self._id

    def another(self) -> Account:
        """Another way to the same account, with clients of its own, for another thread."""
        return Account(
            region=self.region,
            profile=self.profile,
            endpoint_url=self.endpoint_url,
            access_key=self._access_key,
            inside_url=self.inside_url,
            machine_inside=self.machine_inside,
        )

    def now(self) -> float:
        """The account's time, in epoch seconds: by it, AWS says when something happened."""
        return time.time() + self.skew_s

    @cached_property
    def skew_s(self) -> float:
        """How much the account's clock is ahead of this machine's."""
        asked = time.time()
        answer = self.client("sts").get_caller_identity()
        answered = time.time()
        header = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
        if header is None:
            return 0.0
        # The header leaves out the fraction of the second: in the middle of it the error is smallest.
        skew_s = parsedate_to_datetime(header).timestamp() + 0.5 - (asked + answered) / 2
        return skew_s if abs(skew_s) > SKEW_MIN_S else 0.0

    def check(self, allowed: Sequence[str] = ()) -> str:
        """
        The account's id, once it is sure that it lets us in and that it is one of those allowed, if any are named.

        Raises `AccountRefused` or `Unreachable`. The account of an emulator is made up, so no list needs to name it.
        """
        if not self.is_emulator and allowed and self.id not in allowed:
            raise AccountRefused(
                f"These credentials are for account {self.id}; the setting `accounts` allows {', '.join(allowed)} only, so nothing was "
                "done there. Choose another profile ([tool.stagefright] profile, AWS_PROFILE), or add the account to the setting."
            )
        return self.id

    def client(self, service: str) -> Any:
        """A boto3 client for a service; a name that boto3 does not know is a `UsageError`."""
        if service not in self._clients:
            self._clients[service] = self._new_client(service)
        return self._clients[service]

    @contextmanager
    def explained(self, act: str) -> Iterator[None]:
        """Inside, what the account refuses is raised as a `TargetError` that says what to do; `act` ends "could not ..."."""
        with explained(self, act):
            yield

    def environment(self) -> dict[str, str]:
        """The variables that lead another program to this account."""
        region = {"AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
        if self.endpoint_url is not None:
            keys = {"AWS_ACCESS_KEY_ID": self._access_key, "AWS_SECRET_ACCESS_KEY": self._access_key}
            return {**region, **keys, "AWS_ENDPOINT_URL": self.endpoint_url}
        return {**region, "AWS_PROFILE": self.profile} if self.profile else region

    def _new_client(self, service: str) -> Any:
        from botocore.exceptions import UnknownServiceError

        with self.explained(f"open a client for {service}"):
            session = self._open_session()
            try:
                return session.client(service, endpoint_url=self.endpoint_url, config=self._config(service))
            except UnknownServiceError:
                known = session.get_available_services()
                raise UsageError(f"boto3 has no service {service!r}. {nearest(service, known)}") from None
            except ValueError as error:  # a URL or a region that botocore cannot use
                raise UsageError(
                    f"{way_in_words(self)} cannot be asked in the region {self.region!r}: {error}"
                ) from None

    def _config(self, service: str) -> Any:
        from botocore.config import Config

        if service == "lambda":
            # A client that gives up early and tries again would run the function twice.
            return Config(read_timeout=ANSWER_WITHIN_S + _GRACE_S, retries={"mode": "standard"}, **self._addressing())
        return Config(**self._addressing())

    def _addressing(self) -> dict[str, Any]:
        """No name server knows the hosts of an emulator's buckets."""
        return {"s3": {"addressing_style": "path"}} if self.is_emulator else {}

    def _asking_once(self, service: str) -> Any:
        """A client that does not wait long for an account that is not there."""
        from botocore.config import Config

        config = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 2})
        return self._open_session().client(service, endpoint_url=self.endpoint_url, config=config)

    def _open_session(self) -> Any:
        if self._session is None:
            import boto3

            keys = {"aws_access_key_id": self._access_key, "aws_secret_access_key": self._access_key}
            given: dict[str, Any] = keys if self.is_emulator else {"profile_name": self.profile}
            self._session = boto3.Session(region_name=self.region, **given)
        return self._session

    def __repr__(self) -> str:
        return f"<account {self._id or 'not asked yet'} of {way_in_words(self)} in {self.region}>"
