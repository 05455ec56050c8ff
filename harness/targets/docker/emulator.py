"""
The emulator: a container of our own from start to removal, or one that runs already.

A container has its name before it is there, made of the run and the stage. So it can be written down before it is made, and the first
of a run's workers makes it while the others find it: the engine gives a name to one container only.
"""

from __future__ import annotations

import atexit
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stagefright.errors import EmulatorError, StagefrightWarning
from stagefright.ledger.ledger import Ledger, Line
from stagefright.settings import Settings
from stagefright.targets.account import Account
from stagefright.targets.deploying.stack_events import Progress, silent
from stagefright.targets.docker.engine import Engine, connect, import_docker
from stagefright.targets.docker.image import TOKEN, choose_image, is_localstack, port_of, provide_image
from stagefright.targets.docker.workers import access_key_of
from stagefright.targets.run import RUN_TAG, Run

HEALTHY_WITHIN_S = 120.0
"""How long an emulator may take, in real time, from its start to its first answer."""

MADE_WITHIN_S = 10.0
"""How long the engine may take from the name of a container to the container."""

PAUSE_S = 0.1

IN_A_CONTAINER = Path("/.dockerenv")
"""It is there where we run in a container ourselves; the loopback of the engine's machine is not ours then."""

OWN_ADDRESS_AFTER_S = 10.0
"""How long only the published port is asked."""

PROBE_TIMEOUT_S = 2.0

LOG_LINES = 20
"""How much of a container's log an error shows."""

MACHINE_INSIDE = "host.docker.internal"
"""What this machine is called in a container of ours, as in those of Docker Desktop."""

HEALTH_PATHS = ("/_ministack/health", "/_localstack/health")

KIND = "container"
"""What the ledger calls it."""


class Emulator:
    """An AWS emulator that answers at `endpoint_url`."""

    def __init__(
        self,
        endpoint_url: str,
        *,
        container: str | None = None,
        removal: _Removal | None = None,
        inside_url: str | None = None,
    ) -> None:
        self.endpoint_url = endpoint_url
        self.machine_inside = MACHINE_INSIDE if container else None
        """What the functions that run in it call this machine, if we know."""
        self.inside_url = inside_url or endpoint_url
        """Where it answers the functions that run in it."""
        self.container = container
        """The name of its container; None if it is not this run's."""
        self._removal = removal

    @property
    def is_ours(self) -> bool:
        """Whether this process has started it, and so removes it."""
        return self._removal is not None

    def close(self) -> None:
        """Remove the container, if this process has started it."""
        removal, self._removal = self._removal, None
        if removal is not None:
            removal()

    def leave(self) -> None:
        """Let it run on when this process ends: another one of the run will remove it, with `remove_emulator`."""
        removal, self._removal = self._removal, None
        if removal is not None:
            removal.leave()

    def keep(self) -> None:
        """Let it run on after the run: no sweep is offered for it while the run's lease lasts."""
        if self._removal is not None:
            self._removal.keep()
        self.leave()


def container_name(run: Run, stage: str) -> str:
    """What the container of a stage is called."""
    return f"stagefright-{stage}-{run.id}"


def start_emulator(settings: Settings, run: Run, *, stage: str, progress: Progress = silent) -> Emulator:
    """
    The emulator of a stage: the one at the setting `endpoint_url`, else a container, started if no other worker of the run has done so.

    Returns when it answers. Raises `EmulatorError`, and leaves nothing behind then.
    """
    if settings.endpoint_url:
        return attach(settings.endpoint_url)
    image = choose_image(settings.image, os.environ)
    engine = connect(os.environ)
    try:
        found = provide_image(engine, image, progress)
        return _start(engine, settings, run, stage, image, found)
    except BaseException:
        engine.close()
        raise


def attach(endpoint_url: str) -> Emulator:
    """An emulator that runs already; raises `EmulatorError` if nothing answers."""
    reason = _probe(endpoint_url)
    if reason is not None:
        raise EmulatorError(
            f"endpoint_url = {endpoint_url!r}: no emulator answers there ({reason}).\n"
            "Start it, or leave `endpoint_url` out: the target `docker` then starts one in a container of its own."
        )
    return Emulator(endpoint_url)


def remove_emulator(run: Run, stage: str) -> bool:
    """Remove the container that the workers of a run have shared; false if there was none. Raises `EmulatorError`."""
    engine, docker, name = connect(os.environ), import_docker(), container_name(run, stage)
    try:
        return _remove(engine, name, run.id)
    except (docker.errors.DockerException, OSError) as error:
        raise EmulatorError(
            f"The container {name} could not be removed ({error}). Remove it: docker rm -f {name}"
        ) from None
    finally:
        engine.close()


# -- start -------------------------------------------------------------------------------------------------------------


def _start(engine: Engine, settings: Settings, run: Run, stage: str, image: str, found: Any) -> Emulator:
    name, port = container_name(run, stage), port_of(found)
    ledger = _ledger(settings, run, stage)
    line = ledger.note(KIND, name, image=image, docker_host=engine.asked)
    removal = _Removal(engine, name, run.id, line, ledger)
    try:
        container = _create(engine, name, found, _options(engine, image, port, run.tags(stage)))
        endpoint_url = "" if container is None else _bring_up(engine, container, image, port)
    except BaseException:
        removal()
        raise
    if container is None:
        removal.is_not_ours()
        return _join(engine, name, port, run)
    return Emulator(endpoint_url, container=name, removal=removal, inside_url=_inside(port))


def _create(engine: Engine, name: str, image: Any, options: dict[str, Any]) -> Any:
    """A new container, or None if there is one of that name."""
    docker = import_docker()
    try:
        return engine.client.containers.create(image.id, name=name, **options)
    except docker.errors.APIError as error:
        if error.status_code == 409:
            return None
        raise EmulatorError(f"The container {name} of image {image.tags} could not be made: {_said(error)}") from None


def _ledger(settings: Settings, run: Run, stage: str) -> Ledger:
    """Where the container is written down; its address is not known before it is there."""
    account = Account(
        region=settings.region, endpoint_url=f"http://{container_name(run, stage)}", access_key=access_key_of()
    )
    return Ledger(Path(settings.directory), run=run, stage=stage, account=account)


def _options(engine: Engine, image: str, port: int, labels: dict[str, str]) -> dict[str, Any]:
    """How the container is made: its port on loopback alone, unless the engine is on another machine; no credentials of anybody."""
    is_here = engine.ports_at == "127.0.0.1"
    options: dict[str, Any] = {
        "labels": labels,
        "detach": True,
        "ports": {f"{port}/tcp": ("127.0.0.1", None) if is_here else None},
        "extra_hosts": {MACHINE_INSIDE: "host-gateway"},
    }
    if is_localstack(image):
        # LocalStack runs each function in a container beside its own.
        options["volumes"] = {"/var/run/docker.sock": {"bind": "/var/run/docker.sock", "mode": "rw"}}
        options["environment"] = {name: os.environ[name] for name in (TOKEN,) if name in os.environ}
    return options


def _join(engine: Engine, name: str, port: int, run: Run) -> Emulator:
    """Another worker of the run was first."""
    docker = import_docker()
    try:
        container = _wait_for(engine, name)
        if container.labels.get(RUN_TAG) != run.id:
            raise EmulatorError(f"There is a container {name} that is not of this run. Remove it: docker rm -f {name}")
        endpoint_url = _bring_up(engine, container, name, port)
    except docker.errors.NotFound:
        raise EmulatorError(
            f"The container {name}, which another worker of the run had made, is gone; that worker's error says why."
        ) from None
    engine.close()
    return Emulator(endpoint_url, container=name, inside_url=_inside(port))


def _inside(port: int) -> str:
    """Functions run in the emulator's own container, where its port is not the published one."""
    return f"http://127.0.0.1:{port}"


def _wait_for(engine: Engine, name: str) -> Any:
    """A container whose name is taken: the engine takes it a moment before it has the container."""
    docker = import_docker()
    until = time.monotonic() + MADE_WITHIN_S
    while True:
        try:
            return engine.client.containers.get(name)
        except docker.errors.NotFound:
            if time.monotonic() > until:
                raise
            time.sleep(PAUSE_S)


def _bring_up(engine: Engine, container: Any, image: str, port: int) -> str:
    """Start a container, and wait until the emulator in it answers; gives its address."""
    docker = import_docker()
    try:
        container.start()
    except docker.errors.APIError as error:
        raise EmulatorError(
            f"The container {container.name} of image {image!r} did not start: {_said(error)}"
        ) from None
    began = time.monotonic()
    until = began + HEALTHY_WITHIN_S
    reason: str | None = "it was not asked"
    while time.monotonic() < until:
        container.reload()
        if container.status in ("exited", "dead"):
            raise EmulatorError(
                _obituary(container, image, f"ended at once, with exit code {container.attrs['State']['ExitCode']}")
            )
        is_late = time.monotonic() - began > OWN_ADDRESS_AFTER_S
        for endpoint_url in _addresses(engine, container, port, own_too=is_late):
            reason = _probe(endpoint_url)
            if reason is None:
                return endpoint_url
        time.sleep(PAUSE_S)
    raise EmulatorError(
        _obituary(container, image, f"did not answer on port {port} within {HEALTHY_WITHIN_S:.0f} s ({reason})")
    )


def _addresses(engine: Engine, container: Any, port: int, *, own_too: bool) -> Iterator[str]:
    """Where the emulator may be reached: at its published port; or, if we are in a container beside it, at its own address."""
    settings = container.attrs["NetworkSettings"]
    for binding in (settings.get("Ports") or {}).get(f"{port}/tcp") or ():
        yield f"http://{engine.ports_at}:{binding['HostPort']}"
        break
    if own_too and IN_A_CONTAINER.exists():
        for network in (settings.get("Networks") or {}).values():
            if network.get("IPAddress"):
                yield f"http://{network['IPAddress']}:{port}"


def _probe(endpoint_url: str) -> str | None:
    """None if an emulator answers at an address, else the reason why not."""
    import requests

    reason = "nothing was asked"
    with requests.Session() as session:
        session.trust_env = False  # a proxy in the environment is not for this
        for path in HEALTH_PATHS:
            try:
                status = session.get(endpoint_url.rstrip("/") + path, timeout=PROBE_TIMEOUT_S).status_code
            except (requests.RequestException, ValueError) as error:
                return _shortly(error)
            if status < 500:
                return None
            reason = f"HTTP status {status}"
    return reason


def _shortly(error: Exception) -> str:
    """The innermost reason of an error of HTTP clients, without their addresses of objects."""
    text = str(error)
    for known in (
        "Connection refused",
        "Name or service not known",
        "timed out",
        "Connection reset",
        "Remote end closed",
    ):
        if known.lower() in text.lower():
            return known.lower()
    return text


def _obituary(container: Any, image: str, what: str) -> str:
    lines = container.logs(tail=LOG_LINES).decode(errors="replace").rstrip()
    log = f"The end of its log:\n{lines}" if lines else "It has logged nothing."
    return (
        f"The emulator's container {container.name} (image {image!r}) {what}.\n{log}\n"
        f"Is the image an AWS emulator that listens on one port? `docker run --rm {image}` shows the whole log."
    )


def _said(error: Any) -> str:
    return str(error.explanation or error).strip()


# -- removal -----------------------------------------------------------------------------------------------------------


class _Removal:
    """Removes a container, also when the interpreter ends without having been asked to; then strikes it out of the ledger."""

    def __init__(self, engine: Engine, name: str, run_id: str, line: Line, ledger: Ledger) -> None:
        self._engine = engine
        self._name = name
        self._run_id = run_id
        self._line = line
        self._ledger = ledger
        atexit.register(self)

    def __call__(self) -> None:
        docker = import_docker()
        atexit.unregister(self)
        try:
            _remove(self._engine, self._name, self._run_id)
            self._line()
        except (docker.errors.DockerException, OSError) as error:
            warnings.warn(
                f"The container {self._name} could not be removed ({error}). Remove it: docker rm -f {self._name}",
                StagefrightWarning,
                stacklevel=3,
            )
        self._let_go()

    def leave(self) -> None:
        """Remove nothing: somebody else will. It still stands in the ledger, in case that nobody does."""
        atexit.unregister(self)
        self._let_go()

    def keep(self) -> None:
        """The container is left on purpose."""
        self._line.keep()

    def is_not_ours(self) -> None:
        """It was never made here."""
        atexit.unregister(self)
        self._line()
        self._ledger.close()

    def _let_go(self) -> None:
        self._ledger.close()
        self._engine.close()


def _remove(engine: Engine, name: str, run_id: str) -> bool:
    """Remove the container of that name, if it is of that run."""
    docker = import_docker()
    try:
        container = engine.client.containers.get(name)
        if container.labels.get(RUN_TAG) != run_id:
            return False
        container.remove(force=True, v=True)
    except docker.errors.NotFound:
        return False
    except docker.errors.APIError as error:
        if error.status_code != 409:  # somebody else removes it just now
            raise
    return True
