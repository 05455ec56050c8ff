"""`Fn::ForEach`: a loop in a template is written out, turn by turn, before anything else looks at the template."""

from __future__ import annotations

import re
from typing import Any

from stagefright.templates.resolver import Resolver
from stagefright.templates.text import is_scalar, text_of

PREFIX = "Fn::ForEach::"


def expand(resolver: Resolver, value: Any, enclosing: tuple[str, ...] = ()) -> Any:
    """The value with every loop in it, nested ones too, written out."""
    if isinstance(value, list):
        return [expand(resolver, item, enclosing) for item in value]
    if not isinstance(value, dict):
        return value
    expanded: dict[str, Any] = {}
    for key, item in value.items():
        is_loop = key.startswith(PREFIX)
        entries = _loop(resolver, key, item, enclosing) if is_loop else {key: expand(resolver, item, enclosing)}
        _add(resolver, expanded, entries, key)
    return expanded


def _add(resolver: Resolver, expanded: dict[str, Any], entries: dict[str, Any], loop: str) -> None:
    for key, item in entries.items():
        if key in expanded:
            raise resolver.wrong(
                f"{loop} writes {key} twice. Put the loop's identifier into the key, as Name${{Item}}."
            )
        expanded[key] = item


def _loop(resolver: Resolver, key: str, argument: Any, enclosing: tuple[str, ...]) -> dict[str, Any]:
    if not resolver.scope.language_extensions:
        raise resolver.wrong(f"{key} needs the line `Transform: AWS::LanguageExtensions` in the template.")
    identifier, collection, body = _parts(resolver, key, argument)
    _check_identifier(resolver, key, identifier, enclosing)
    written: dict[str, Any] = {}
    for item in _items(resolver, key, collection):
        turn = expand(resolver, _substitute(body, identifier, item), (*enclosing, identifier))
        _add(resolver, written, turn, key)
    return written


def _parts(resolver: Resolver, key: str, argument: Any) -> tuple[str, Any, dict[str, Any]]:
    if isinstance(argument, list) and len(argument) == 3:
        identifier, collection, body = argument
        if isinstance(identifier, str) and isinstance(body, dict):
            return identifier, collection, body
    raise resolver.wrong(f"{key} takes a list of an identifier, a collection and a mapping to repeat.")


def _check_identifier(resolver: Resolver, key: str, identifier: str, enclosing: tuple[str, ...]) -> None:
    if identifier in enclosing or identifier in resolver.scope.parameters:
        taken = "an enclosing loop" if identifier in enclosing else "a parameter"
        raise resolver.wrong(f"{key}: the identifier {identifier} is already the name of {taken}. Use another one.")


def _items(resolver: Resolver, key: str, collection: Any) -> list[str]:
    items = resolver.static(collection, f"the collection of {key}")
    if not isinstance(items, list) or not all(is_scalar(item) for item in items):
        raise resolver.wrong(f"{key}: its collection must be a list of texts, or a parameter that holds one.")
    return [text_of(item) for item in items]


def _substitute(value: Any, identifier: str, item: str) -> Any:
    """One turn of the loop: `${Identifier}`, `&{Identifier}` and `Ref: Identifier` become the item."""
    if isinstance(value, str):
        return _substitute_text(value, identifier, item)
    if isinstance(value, list):
        return [_substitute(part, identifier, item) for part in value]
    if isinstance(value, dict):
        if value == {"Ref": identifier}:
            return item
        return {
            _substitute_text(key, identifier, item): _substitute(part, identifier, item) for key, part in value.items()
        }
    return value


def _substitute_text(text: str, identifier: str, item: str) -> str:
    # A logical id takes letters and digits only; &{Identifier} drops the rest of the item.
    plain = re.sub(r"[^A-Za-z0-9]", "", item)
    return text.replace(f"${{{identifier}}}", item).replace(f"&{{{identifier}}}", plain)
