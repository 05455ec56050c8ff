"""
What botocore and moto work out anew for each session, client or call, though it comes out the same: here it is worked out once.

Everything replaced here gives exactly what the original gives, for it depends on nothing but its arguments. Together it makes a cold start
and a client some 40 % cheaper, and a call that moto answers some 15 %.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from inspect import CO_VARKEYWORDS, isfunction
from io import BytesIO
from types import FunctionType, MethodType
from typing import Any

from stagefright.virtual.patching import Patches

REMEMBERED_MAX = 512
"""How many answers to one question are kept."""


def take(patches: Patches) -> None:
    """Replace what is worked out anew; `patches` knows how to undo it."""
    _make_registering_cheap(patches)
    _make_clients_cheap(patches)
    _make_user_agents_cheap(patches)
    _make_requests_cheap(patches)
    _make_dispatching_cheap(patches)


# -- sessions and clients ----------------------------------------------------------------------------------------------


def _make_registering_cheap(patches: Patches) -> None:
    """
    Every session registers 130 event handlers, and every cold start makes a session.

    Nine tenths of that time (9 of 10 ms) goes into two questions with the same answers each time: what an event is called
    nowadays, and whether a handler takes `**kwargs`.
    """
    from botocore import hooks

    patches.set(hooks.EventAliaser, "_alias_event_name", _names_of_today())
    patches.set(hooks, "accepts_kwargs", _accepts_kwargs(hooks.accepts_kwargs))


@lru_cache(maxsize=1)
def _names_of_today() -> Callable[[str], str]:
    """One aliaser of botocore's answers for all, for each remembers what it was asked, and all know the same aliases."""
    from botocore import hooks

    aliaser: Any = hooks.EventAliaser
    names: Callable[[str], str] = aliaser(None)._alias_event_name
    return names


def _accepts_kwargs(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def accepts_kwargs(handler: Any) -> Any:
        function = handler.__func__ if isinstance(handler, MethodType) else handler
        if isinstance(function, FunctionType):
            return function.__code__.co_flags & CO_VARKEYWORDS
        return original(handler)

    return accepts_kwargs


def _make_clients_cheap(patches: Patches) -> None:
    """Half of a client's time goes into copying its session's event handlers and into reading its service's endpoint rules."""
    from botocore import endpoint_provider, hooks

    trie: Any = getattr(hooks, "_PrefixTrie")  # noqa: B009 - types do not know it
    copied = _copying(hooks.NodeList)
    patches.set(trie, "_recursive_copy", lambda _trie, node: copied(node))
    patches.set(endpoint_provider, "RuleSet", _once_per_rules(endpoint_provider.RuleSet))


def _copying(node_list: Any) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """What botocore does by way of `copy.copy`: the structure is copied, the handlers are not."""

    def copied(node: Mapping[str, Any]) -> dict[str, Any]:
        return {name: copy_of(value) for name, value in node.items()}

    def copy_of(value: Any) -> Any:
        if isinstance(value, node_list):
            return node_list(value.first[:], value.middle[:], value.last[:])
        return copied(value) if isinstance(value, dict) else value

    return copied


class _Parts:
    """The parts of a rule set; the same if each of them is the same object."""

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self.parts = parts
        self._identity = tuple((name, id(part)) for name, part in parts.items())

    def __hash__(self) -> int:
        return hash(self._identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Parts) and self._identity == other._identity


def _once_per_rules(original: Callable[..., Any]) -> Callable[..., Any]:
    """All sessions share one loader, so the rules of a service are one object, and nobody changes them."""

    @lru_cache(maxsize=REMEMBERED_MAX)
    def made(parts: _Parts) -> Any:
        return original(**parts.parts)

    return lambda **parts: made(_Parts(parts))


# -- calls -------------------------------------------------------------------------------------------------------------


def _make_user_agents_cheap(patches: Patches) -> None:
    """Each call builds its `User-Agent` header once or twice, letter by letter; its parts hardly ever change."""
    from botocore import useragent

    component: Any = useragent.UserAgentComponent
    cleaned: Any = lru_cache(maxsize=REMEMBERED_MAX)(useragent.sanitize_user_agent_string_component)
    patches.set(useragent, "sanitize_user_agent_string_component", cleaned)
    patches.set(component, "to_string", _remembering(component.to_string))


def _remembering(original: Callable[[Any], str]) -> Callable[[Any], str]:
    remembered = lru_cache(maxsize=REMEMBERED_MAX)(original)

    def to_string(component: Any) -> str:
        # One with a size limit never equals another: the limit is an object that each has for itself.
        return remembered(component) if component.size_config is None else original(component)

    return to_string


def _make_requests_cheap(patches: Patches) -> None:
    """moto has werkzeug take each request apart and put it together again; most are a POST of some bytes to a host's root."""
    from moto.core import request

    made: Any = getattr(request, "Request", None)
    if hasattr(made, "from_primitives"):
        patches.set(made, "from_primitives", classmethod(_posted(made.from_primitives.__func__)))


def _posted(original: Callable[..., Any]) -> Callable[..., Any]:
    """The same WSGI environment, without what is the same for every request to a host."""

    @lru_cache(maxsize=REMEMBERED_MAX)
    def common(owner: Any, method: str, url: str) -> dict[str, Any]:
        environ = dict(original(owner, method, url, {}, b"").environ)
        del environ["werkzeug.request"]
        return environ

    def from_primitives(owner: Any, method: str, url: str, headers: Any, body: Any = None) -> Any:
        if not (_ROOT.fullmatch(url) and isinstance(body, bytes)):
            return original(owner, method, url, headers, body)
        own = _as_environ(headers)
        if own is None:
            return original(owner, method, url, headers, body)
        length = {"CONTENT_LENGTH": str(len(body))}
        return owner(
            {**common(owner, method, url), "wsgi.errors": sys.stderr, **own, **length, "wsgi.input": BytesIO(body)}
        )

    return from_primitives


_ROOT = re.compile(r"https://[a-z0-9.-]+/")
"""A URL without a path or a query."""


def _as_environ(headers: Mapping[str, Any]) -> dict[str, str] | None:
    """Headers as WSGI has them; None if one is not as plain as nearly all are."""
    environ: dict[str, str] = {}
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        text = value.decode() if isinstance(value, bytes) else value
        if key in environ or "_" in name or key in _TAKEN or not text.isascii():
            return None
        environ[key] = text
    environ.pop("HTTP_CONTENT_LENGTH", None)
    return environ


_TAKEN = {"HTTP_HOST", "HTTP_TRANSFER_ENCODING"}
"""What moto or werkzeug treats in a way of its own."""


def _make_dispatching_cheap(patches: Patches) -> None:
    """For each call moto lists all methods of a service, to see whether it has one."""
    from moto.core import responses

    if hasattr(responses, "method_names_from_class"):
        patches.set(responses, "method_names_from_class", _methods(responses.method_names_from_class))


def _methods(original: Callable[[Any], list[str]]) -> Callable[[Any], _Methods]:
    return lambda owner: _Methods(owner, original)


class _Methods:
    """The names of a class's methods, looked up one at a time."""

    def __init__(self, owner: Any, listed: Callable[[Any], list[str]]) -> None:
        self._owner = owner
        self._listed = listed

    def __contains__(self, name: str) -> bool:
        return isfunction(getattr(self._owner, name, None))

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed(self._owner))
