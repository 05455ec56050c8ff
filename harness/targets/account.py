"""The way to an AWS account, or to an emulator that stands in for one: boto3 clients, and who answers."""

from __future__ import annotations

from typing import Any

EMULATOR_KEY = "test"
"""The credentials that emulators are asked with; those of the environment never go to one."""


class Account:
    """One account and region; with an `endpoint_url` an emulator, which is never shown real credentials."""

    def __init__(
        self,
        *,
        region: str,
        profile: str | None = None,
        endpoint_url: str | None = None,
        access_key: str = EMULATOR_KEY,
    ) -> None:
        self.region = region
        self.profile = profile
        self.endpoint_url = endpoint_url
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
    def id(self) -> str:
        """The account's 12 digits, as the account itself says."""
        if self._id is None:
            self._id = str(self.client("sts").get_caller_identity()["Account"])
        return self._id

    def client(self, service: str) -> Any:
        """A boto3 client for a service."""
        if service not in self._clients:
            self._clients[service] = self._open_session().client(service, endpoint_url=self.endpoint_url)
        return self._clients[service]

    def _open_session(self) -> Any:
        if self._session is None:
            import boto3

            keys = {"aws_access_key_id": self._access_key, "aws_secret_access_key": self._access_key}
            given: dict[str, Any] = keys if self.is_emulator else {"profile_name": self.profile}
            self._session = boto3.Session(region_name=self.region, **given)
        return self._session
