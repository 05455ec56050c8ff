"""Containers of emulators, on a Docker engine."""

from __future__ import annotations

from typing import Any

from stagefright.errors import UsageError
from stagefright.ledger.kinds import Clients, Fate, State
from stagefright.ledger.reading import Entry
from stagefright.ledger.undo.answers import owned


class Containers:
    """The kind `container`. It is not the account's, so the account is not asked."""

    def look(self, entry: Entry, account: Clients) -> State:  # noqa: ARG002
        """Whether there is a container of that name, running or not, and whose."""
        container = _container(entry)
        return State(Fate.AS_BEFORE) if container is None else owned(entry, container.labels)

    def undo(self, entry: Entry, account: Clients) -> None:  # noqa: ARG002
        """Stop and remove it, with its volumes."""
        from docker.errors import APIError, NotFound

        container = _container(entry)
        if container is None:
            return
        try:
            container.remove(v=True, force=True)
        except NotFound:
            return
        except APIError as error:
            raise UsageError(f"The container {entry.name} could not be removed: {error.explanation or error}") from None


def _container(entry: Entry) -> Any:
    from docker import DockerClient, from_env
    from docker.errors import DockerException, NotFound

    host = entry.detail.get("docker_host")
    try:
        engine = DockerClient(base_url=host) if host else from_env()
        return engine.containers.get(entry.name)
    except NotFound:
        return None
    except DockerException as error:
        raise UsageError(
            f"The Docker engine {host or 'of this environment'} could not be asked for the container {entry.name}: {error}. Start it, and "
            "sweep again."
        ) from None
