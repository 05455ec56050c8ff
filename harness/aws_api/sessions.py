"""
boto3 sessions in the world: what the test and each function get when they ask boto3 for its default session.

Credentials are the world's own; those in the environment or in profiles of the machine are never used, nor is what its files of
configuration say. A session that a test makes itself, or a library for it, is no exception: on a deployed stage the environment leads
it to the stage (`targets/environment.py`), and here this does. All sessions share one loader of botocore's service models, which
makes a client cost milliseconds instead of a quarter of a second.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from stagefright.aws_api import shortcuts, signing
from stagefright.functions.variables import ACCESS_KEY_ID
from stagefright.tasks import current_actor, outside_the_world
from stagefright.virtual.patching import Patches

_patches = Patches()
_users = 0


def install() -> None:
    """Give threads of the world sessions of their own, unless another world has done so."""
    global _users
    _users += 1
    if _users > 1:
        return
    import boto3
    import botocore.session

    _patches.set(boto3, "_get_default_session", _default_session(boto3._get_default_session))
    _patches.set(boto3, "setup_default_session", _setup_default_session(boto3.setup_default_session))
    loader, resolver = _shared()
    session: Any = botocore.session.Session
    _patches.set(session, "_register_data_loader", _registering("_components", "data_loader", loader))
    _patches.set(
        session, "_register_endpoint_resolver", _registering("_internal_components", "endpoint_resolver", resolver)
    )
    _patches.set(session, "__init__", _kept_in_the_world(session.__init__))
    _share_with_moto(loader)
    shortcuts.take(_patches)
    signing.take(_patches)


def remove() -> None:
    """Put boto3's own functions back when no world needs them any more."""
    global _users
    _users -= 1
    if _users == 0:
        _patches.restore()


def session_for(region: str) -> Any:
    """A boto3 session with the world's credentials."""
    import boto3
    import botocore.session

    base: Any = botocore.session.Session()
    _keep_in_the_world(base, region)
    return boto3.Session(botocore_session=base, region_name=region)


def _keep_in_the_world(session: Any, region: str) -> None:
    """Let a session of the test have the world's credentials and region, unless it is given others; and nothing of the machine's."""
    from botocore.configprovider import ChainProvider, ConstantProvider, InstanceVarProvider
    from botocore.credentials import Credentials

    _hide_files(session)
    config = session.get_component("config_store")
    config.set_config_variable("profile", None)
    # Whoever sets AWS_ENDPOINT_URL means other processes, or other tools.
    config.set_config_variable("ignore_configured_endpoint_urls", True)
    given = InstanceVarProvider(instance_var="region", session=session)
    config.set_config_provider("region", ChainProvider([given, ConstantProvider(region)]))
    session._credentials = Credentials(ACCESS_KEY_ID, "stagefright", "stagefright")


def _hide_files(session: Any) -> None:
    """Functions have no files of configuration on Lambda; and a test must not depend on those of whoever runs it."""
    config = session.get_component("config_store")
    config.set_config_variable("config_file", os.devnull)
    config.set_config_variable("credentials_file", os.devnull)


def _kept_in_the_world(original: Callable[..., None]) -> Callable[..., None]:
    """`botocore.session.Session.__init__` of sessions that are made in the world."""

    def init(session: Any, *args: Any, **kwargs: Any) -> None:
        original(session, *args, **kwargs)
        actor = current_actor()
        if actor is None or actor.kernel.world is None:
            return
        if actor.owner is None:
            _keep_in_the_world(session, actor.kernel.world.region)
        else:
            _hide_files(session)

    return init


@lru_cache(maxsize=64)
def deployment_client(region: str, service: str) -> Any:
    """
    The client with which templates are deployed: one per process, since making one costs more than most of its calls.

    It is never handed to a test, which may do to its own clients what it likes.
    """
    with outside_the_world():
        return session_for(region).client(service)


def shared_loader() -> Any:
    """botocore's loader of service models, the one that all sessions share."""
    return _shared()[0]


@lru_cache(maxsize=64)
def service_model(service: str) -> Any:
    """What botocore knows of a service; raises `botocore.exceptions.UnknownServiceError` if it knows none of this name."""
    from botocore.model import ServiceModel

    return ServiceModel(_shared()[0].load_service_model(service, "service-2"), service_name=service)


@lru_cache(maxsize=1)
def _shared() -> tuple[Any, Any]:
    import botocore.session

    base: Any = botocore.session.Session()
    return base.get_component("data_loader"), base._get_internal_component("endpoint_resolver")


def _registering(registry: str, name: str, component: Any) -> Callable[[Any], None]:
    def register(session: Any) -> None:
        getattr(session, registry).register_component(name, component)

    return register


def _share_with_moto(loader: Any) -> None:
    """moto reads the service models too; from the shared loader, each is read once."""
    from moto.core import utils

    if hasattr(utils, "create_loader"):
        _patches.set(utils, "create_loader", lambda: loader)


_test_sessions: dict[str, Any] = {}


def _default_session(original: Callable[[], Any]) -> Callable[[], Any]:
    def get_default_session() -> Any:
        actor = current_actor()
        if actor is None:
            return original()
        region = actor.kernel.world.region
        if actor.owner is None:
            if region not in _test_sessions:
                _test_sessions[region] = session_for(region)
            return _test_sessions[region]
        if actor.owner.session is None:
            import boto3

            actor.owner.session = boto3.Session()
        return actor.owner.session

    return get_default_session


def _setup_default_session(original: Callable[..., None]) -> Callable[..., None]:
    def setup_default_session(**kwargs: Any) -> None:
        actor = current_actor()
        if actor is None or actor.owner is None:
            original(**kwargs)
            return
        import boto3

        actor.owner.session = boto3.Session(**kwargs)

    return setup_default_session
