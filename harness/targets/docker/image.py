"""The emulator's image: which one, and how it gets to the engine."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stagefright.errors import EmulatorError
from stagefright.targets.deploying.stack_events import Progress
from stagefright.targets.docker.engine import Engine, import_docker

DEFAULT_IMAGE = "ministackorg/ministack"

GATEWAY_PORT = 4566
"""Where MiniStack and LocalStack listen."""

REPORT_EVERY_S = 5.0
"""How often the progress of a pull is told."""

TOKEN = "LOCALSTACK_AUTH_TOKEN"  # noqa: S105 - the name of a variable


def choose_image(asked: str | None, environ: Mapping[str, str]) -> str:
    """The image to start; raises `EmulatorError` for one of LocalStack that would refuse to start."""
    image = asked or DEFAULT_IMAGE
    if needs_token(image) and not environ.get(TOKEN):
        raise EmulatorError(
            f"image = {image!r}: this image of LocalStack does not start without a token, and {TOKEN} is not set.\n"
            f"Set it, or leave `image` out: {DEFAULT_IMAGE} needs none. LocalStack's releases up to 4 "
            "(localstack/localstack:4) need none either."
        )
    return image


def is_localstack(image: str) -> bool:
    """Whether an image is LocalStack's, wherever it is kept."""
    return re.search(r"(^|/)localstack(-pro)?(:|@|$)", image) is not None


def needs_token(image: str) -> bool:
    """
    Whether an image asks for a licence: LocalStack's Pro image, and since 2026 its `latest`.

    >>> [needs_token(f"localstack/localstack{rest}") for rest in ("", ":latest", "-pro:4.1", ":2026.03", ":4.14", ":3")]
    [True, True, True, True, False, False]
    >>> needs_token("ministackorg/ministack")
    False
    """
    if not is_localstack(image):
        return False
    name, _, tag = image.rpartition("/")[2].partition(":")
    return name.startswith("localstack-pro") or re.match(r"[0-4](\.|-|$)", tag) is None


def provide_image(engine: Engine, image: str, report: Progress) -> Any:
    """The image as the engine has it; pulled if it is not there. Raises `EmulatorError`."""
    docker = import_docker()
    try:
        return engine.client.images.get(image)
    except docker.errors.ImageNotFound:
        pass
    began = time.monotonic()
    report(f"Pulling the image {image} ...")
    try:
        _pull(engine, image, report)
        found = engine.client.images.get(image)
    except (docker.errors.DockerException, OSError) as error:
        raise EmulatorError(_why_not_pulled(engine, image, error)) from None
    report(f"Pulled the image {image} in {time.monotonic() - began:.0f} s.")
    return found


def _pull(engine: Engine, image: str, report: Progress) -> None:
    docker = import_docker()
    repository, tag = docker.utils.parse_repository_tag(image)
    lines = engine.client.api.pull(repository, tag=tag or "latest", stream=True, decode=True)
    for said in progress(lines, time.monotonic):
        report(said)


def progress(lines: Iterable[Mapping[str, Any]], now: Callable[[], float]) -> Iterable[str]:
    """What to tell of the engine's many lines about a pull: from time to time, how many layers are there. Raises what they report."""
    docker = import_docker()
    layers: dict[str, bool] = {}
    told = now()
    for line in lines:
        if "error" in line:
            raise docker.errors.APIError(str(line["error"]))
        status = str(line.get("status", ""))
        if line.get("id") and status != "" and not status.startswith("Pulling from"):
            layers[str(line["id"])] = status in ("Pull complete", "Already exists")
        if layers and now() - told >= REPORT_EVERY_S:
            told = now()
            yield f"  {sum(layers.values())} of {len(layers)} layers"


def _why_not_pulled(engine: Engine, image: str, error: Exception) -> str:
    reason = getattr(error, "explanation", None) or str(error)
    here = sorted(tag for one in engine.client.images.list() for tag in one.tags)
    known = f"Images that it has: {', '.join(here[:20])}." if here else "It has no images."
    return (
        f"The Docker engine at {engine.address} does not have the image {image!r}, and could not pull it: {str(reason).strip()}\n{known}\n"
        f"Check the name (the setting `image`) and the network; `docker pull {image}` shows more, and a private registry wants "
        "`docker login` first."
    )


def port_of(image: Any) -> int:
    """The port that the emulator in an image listens on: the one that all use, unless the image exposes others only."""
    exposed = (image.attrs.get("Config") or {}).get("ExposedPorts") or {}
    ports = sorted(int(name.partition("/")[0]) for name in exposed if name.endswith("/tcp") and name[0].isdigit())
    return ports[0] if ports and GATEWAY_PORT not in ports else GATEWAY_PORT
