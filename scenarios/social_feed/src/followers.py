"""
The followers of an author, from the relationship API or, when it is slow or down, the last ones it gave.

The last known followers are kept in a table of this service's own: a post that reaches yesterday's followers now is
worth more than one that reaches today's followers when the other service is back.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from urllib.parse import quote

import boto3
import urllib3
from correlation import http_headers, log

# An item holds 400 KB; this many names of 32 characters fit.
KNOWN_MAX = 10_000

http = urllib3.PoolManager()
known = boto3.resource("dynamodb").Table(os.environ["KNOWN_FOLLOWERS_TABLE"])


class RelationshipApiUnavailable(Exception):
    """The relationship API gave no answer that can be used."""


@dataclass(frozen=True)
class Followers:
    """Names, and whether they are the last known ones instead of the current ones."""

    names: list[str]
    fallback: bool


def followers_of(author: str, *, timeout_s: float) -> Followers:
    """
    The author's followers, within the given time.

    Raises `RelationshipApiUnavailable` if the API fails and no followers of the author were ever seen. The stream
    then keeps the post and tries again.
    """
    try:
        names = ask(author, timeout_s)
    except RelationshipApiUnavailable as problem:
        return last_known(author, problem, timeout_s)
    remember(author, names)
    return Followers(names, fallback=False)


def ask(author: str, timeout_s: float) -> list[str]:
    try:
        response = http.request(
            "GET",
            f"{os.environ['RELATIONSHIP_URL']}/followers/{quote(author, safe='')}",
            headers=http_headers(),
            timeout=urllib3.Timeout(total=timeout_s),
            retries=False,
        )
    except urllib3.exceptions.HTTPError as problem:
        raise RelationshipApiUnavailable(f"{type(problem).__name__}: {problem}") from problem
    if response.status != 200:
        raise RelationshipApiUnavailable(f"status {response.status}")
    return json.loads(response.data)["followers"]


def last_known(author: str, problem: RelationshipApiUnavailable, timeout_s: float) -> Followers:
    item = known.get_item(Key={"author": author}).get("Item")
    if item is None:
        log("relationship_api_unavailable", author=author, reason=str(problem), timeout_s=timeout_s)
        raise problem
    log("fallback_used", author=author, reason=str(problem), timeout_s=timeout_s, count=len(item["followers"]))
    return Followers(item["followers"], fallback=True)


def remember(author: str, names: list[str]) -> None:
    known.put_item(Item={"author": author, "followers": names[:KNOWN_MAX]})
