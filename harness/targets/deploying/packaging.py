"""
A project's stack as CloudFormation can take it: what its template names on this machine lies in the bucket, and the template says so.

AWS itself runs the template's transforms. An emulator gets them run for it, as few of them can do it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from stagefright.errors import TemplateError
from stagefright.targets.account import Account
from stagefright.targets.deploying.bootstrap import without_bootstrap
from stagefright.targets.deploying.injection import InjectedStack, Injection
from stagefright.targets.deploying.zipping import digest_of, is_zip, zip_bytes
from stagefright.templates import Artifact, StackSource
from stagefright.templates.artifacts import TEMPLATE, ZIP, replaced

INLINE_MAX = 51_200
"""The bytes of a template that may go along with the request; a larger one goes by way of the bucket."""

TEMPLATE_MAX = 1_000_000
"""The bytes that a template may have at all."""

Transform = Callable[[dict[str, Any], Path], dict[str, Any]]
"""From a template, and the file that it was read from, to what is sent."""


class Bucket(Protocol):
    """Where things go that CloudFormation fetches."""

    @property
    def name(self) -> str:
        """The bucket's name."""
        ...

    def put(self, key: str, content: Callable[[], bytes]) -> None:
        """See to it that an object is there."""
        ...


@dataclass(frozen=True)
class NoBucket:
    """Takes nothing: for looking at what a template would become."""

    name: str

    def put(self, key: str, content: Callable[[], bytes]) -> None:
        """Nothing is sent."""


@dataclass(frozen=True)
class Packaging:
    """Where things go, and what becomes of templates on the way."""

    account: Account
    bucket: Bucket
    transform: Transform
    injection: Injection | None = None
    """What is put into functions on the way."""

    def request(self, source: StackSource) -> dict[str, str]:
        """The part of a request to CloudFormation that says what the template is; all that it names is in the bucket then."""
        text = self.text(source)
        if len(text.encode()) <= INLINE_MAX:
            return {"TemplateBody": text}
        return {"TemplateURL": self._template_url(text)}

    def text(self, source: StackSource, nested: str = "") -> str:
        """The template as it is sent; `nested` is the way to it, if it is of a nested stack."""
        injected = self.injection.of(source, nested) if self.injection else None
        values = {artifact: self._value(artifact, source, nested, injected) for artifact in source.artifacts}
        document = replaced(without_bootstrap(source.template), values)
        if injected is not None:
            document = injected.into(document, self._put_inline)
        text = written(self.transform(document, source.file))
        if len(text.encode()) > TEMPLATE_MAX:
            raise TemplateError(
                f"the template has {len(text.encode()):,} bytes once it is packaged; CloudFormation takes {TEMPLATE_MAX:,}. "
                "Move a part of it into a nested stack.",
                file=str(source.file),
            )
        return text

    def _value(self, artifact: Artifact, source: StackSource, nested: str, injected: InjectedStack | None) -> Any:
        if injected is not None and injected.packs(artifact):
            key = self._put_code(*injected.package(artifact.path))
        else:
            key = self._key(artifact, source, nested)
        return artifact.located(self.bucket.name, key, self.account.region)

    def _key(self, artifact: Artifact, source: StackSource, nested: str) -> str:
        path = artifact.path
        if artifact.packaging == TEMPLATE and artifact.logical_id in source.nested:
            inside = f"{nested}{artifact.logical_id}."
            return self._put_template(self.text(source.nested[artifact.logical_id], inside))
        if artifact.packaging == ZIP and not is_zip(path):
            return self._put_code(digest_of(path), lambda: zip_bytes(path))
        return self._put(f"files/{digest_of(path)}{path.suffix}", path.read_bytes)

    def _put_code(self, digest: str, content: Callable[[], bytes]) -> str:
        return self._put(f"code/{digest}.zip", content)

    def _put_inline(self, digest: str, content: Callable[[], bytes]) -> dict[str, str]:
        return {"Bucket": self.bucket.name, "Key": self._put_code(digest, content)}

    def _put(self, key: str, content: Callable[[], bytes]) -> str:
        self.bucket.put(key, content)
        return key

    def _put_template(self, text: str) -> str:
        return self._put(template_key(text), text.encode)

    def _template_url(self, text: str) -> str:
        suffix = "amazonaws.com.cn" if self.account.region.startswith("cn-") else "amazonaws.com"
        return f"https://s3.{self.account.region}.{suffix}/{self.bucket.name}/{self._put_template(text)}"


def template_key(text: str) -> str:
    """What a template is called in the bucket."""
    return f"templates/{hashlib.sha256(text.encode()).hexdigest()}.json"


def written(document: Mapping[str, Any]) -> str:
    """A template as it is sent."""
    return json.dumps(document, separators=(",", ":"))


def template_of(account: Account, stack_id: str) -> str:
    """The template of a stack as it was sent, if it was sent by us."""
    # Unasked, AWS gives what its transforms have made of it.
    said = account.client("cloudformation").get_template(StackName=stack_id, TemplateStage="Original")
    template = said["TemplateBody"]
    return written(template) if isinstance(template, Mapping) else str(template)


def as_it_is(document: dict[str, Any], _file: Path) -> dict[str, Any]:
    """For AWS, which runs transforms itself."""
    return document


def stack_parameters(
    template: Mapping[str, Any], given: Mapping[str, str], *, known_before: frozenset[str], file: Path
) -> list[dict[str, Any]]:
    """
    The parameters of a request; one that is not given keeps the value that the stack has already.

    What is given and not declared, or declared and not given, is a `TemplateError`; of values CloudFormation judges itself.
    """
    from stagefright.templates.parameters import parameter_values

    declared = without_bootstrap(template).get("Parameters", {})
    held = {name: one for name, one in declared.items() if name in given or name not in known_before}
    parameter_values(held, given, file=str(file))
    sent = [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]
    kept = [name for name in declared if name in known_before and name not in given]
    return sent + [{"ParameterKey": name, "UsePreviousValue": True} for name in kept]
