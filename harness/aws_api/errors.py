"""The one way a service of ours refuses an API call."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """
    A refusal as AWS words it; the door turns it into botocore's `ClientError`.

    `code` is the AWS error code, `message` its text, `status` the HTTP status; further fields of a modelled error
    (such as `Reason` or `Type`) go into `fields`.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, **fields: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields
