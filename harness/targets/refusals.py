"""
What AWS, or the way to it, refuses, in words that say what to do next.

Only calls of our own are explained. What a test's own client is refused stays botocore's exception, since that is what the test's
subject would get.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from stagefright.errors import AccountRefused, TargetError, Unreachable, nearest
from stagefright.wording import clip

WRONG_KEYS = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
"""How services say that they do not know an access key, or that the secret key does not belong to it."""

EXPIRED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired", "UnauthorizedSSOTokenError"}
)
"""How services say that temporary credentials ran out."""

WRONG_CLOCK = frozenset({"RequestTimeTooSkewed", "RequestInTheFuture"})

DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "Forbidden",
        "UnauthorizedOperation",
        "403",  # S3 answers a HEAD request without a body, so botocore has the status alone
    }
)
"""How services say that these credentials may not do this."""

NOT_OPEN = frozenset({"OptInRequired", "RegionDisabledException", "SubscriptionRequiredException"})
"""How services say that the account has no use of them (yet)."""

SHOWN_MAX = 600
"""How much of what AWS says a message repeats."""

_ACTION = re.compile(r"not authorized to perform:? ([\w-]+:\w+)")
_RESOURCE = re.compile(r"on resource:? (\S+)")
_WHO = re.compile(r"User: (\S+)")
_CLOCK = re.compile(r"Signature (expired|not yet current)")


class Way(Protocol):
    """How the account is reached, which is what most refusals are about."""

    @property
    def region(self) -> str: ...

    @property
    def profile(self) -> str | None: ...

    @property
    def endpoint_url(self) -> str | None: ...

    @property
    def has_answered(self) -> bool: ...


@contextmanager
def explained(way: Way, act: str) -> Iterator[None]:
    """
    Inside, what AWS refuses is raised as a `TargetError` that says what to do.

    `act` says what is done, as the end of "could not": `deploy the stack shop-pr-7`.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        raise explain(error, way, act) from None


def explain(error: Exception, way: Way, act: str) -> TargetError:
    """A refusal as an error whose message names the next step."""
    from botocore.exceptions import ClientError

    kind, reason = _of_answer(error, way) if isinstance(error, ClientError) else _of_the_way(error, way)
    return kind(f"Could not {act}: {reason}")


# -- what AWS answered -------------------------------------------------------------------------------------------------


_Reason = tuple[type[TargetError], str]


def _of_answer(error: Any, way: Way) -> _Reason:
    code = str(error.response.get("Error", {}).get("Code", ""))
    said = clip(str(error.response.get("Error", {}).get("Message", "")), SHOWN_MAX)
    answer = f"{way_in_words(way)} answers {code}" + (f": {said.rstrip('.')}." if said else ".")
    if code in WRONG_CLOCK or _CLOCK.search(said):
        return AccountRefused, f"{answer} The clock of this machine differs from AWS's; set it right."
    if code in WRONG_KEYS:
        return AccountRefused, f"{answer} {_wrong_keys(way)}"
    if code in EXPIRED:
        return AccountRefused, f"{answer} The credentials were temporary and have run out. {_log_in(way)}"
    if code in DENIED:
        return AccountRefused, f"{answer}\n{_denied(error, said)}"
    if code in NOT_OPEN:
        return AccountRefused, f"{answer} Enable it for the account, or choose another region (now {way.region})."
    if way.endpoint_url and code.isdigit():
        return Unreachable, _stranger(way, f"HTTP status {code}")
    return TargetError, f"{answer} (The call was {error.operation_name}.)"


def _wrong_keys(way: Way) -> str:
    if way.endpoint_url:
        return "The emulator checks keys and does not know ours; start it without such checks."
    whose = f"of the profile {way.profile!r}" if way.profile else "that the SDK finds (environment, default profile)"
    return (
        f"The keys {whose} are not right: check them with `aws sts get-caller-identity{_profile_option(way)}`, or choose another "
        f"profile. If {way.region} is a region that has to be enabled, the account has not enabled it."
    )


def _log_in(way: Way) -> str:
    return (
        f"Get new ones: `aws sso login{_profile_option(way)}`, `aws login{_profile_option(way)}`, or however you got these; "
        "credentials in the environment (AWS_SESSION_TOKEN) win over a profile's."
    )


def _profile_option(way: Way) -> str:
    return f" --profile {way.profile}" if way.profile else ""


def _denied(error: Any, said: str) -> str:
    action, resource, who = (_first(pattern, said) for pattern in (_ACTION, _RESOURCE, _WHO))
    wanted = f"the permission {action}" if action else f"a permission, that of the call {error.operation_name}"
    where = f" on {resource.rstrip('.')}" if resource else ""
    whose = who or "these credentials"
    denied = "an explicit deny forbids it" if "explicit deny" in said else "no policy allows it"
    return (
        f"What is missing is {wanted}{where}; {denied} to {whose}. Add it to their policy, or choose another profile."
    )


def denied_action(error: Exception) -> str | None:
    """The action that an account does not permit, such as `ssm:PutParameter`; None if an error says something else."""
    from botocore.exceptions import ClientError

    if not isinstance(error, ClientError) or error.response.get("Error", {}).get("Code") not in DENIED:
        return None
    return _first(_ACTION, str(error.response["Error"].get("Message", ""))) or error.operation_name


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None


# -- what kept the question from being asked ---------------------------------------------------------------------------


def _of_the_way(error: Exception, way: Way) -> _Reason:
    for kind in type(error).__mro__:
        if kind.__name__ in _OF_THE_WAY:
            return _OF_THE_WAY[kind.__name__](error, way)
    return TargetError, f"{clip(str(error), SHOWN_MAX)}"


def _no_credentials(_error: Exception, _way: Way) -> _Reason:
    return AccountRefused, (
        "there are no AWS credentials. Name a profile in the settings ([tool.stagefright] profile, or STAGEFRIGHT_PROFILE), or set "
        "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. To rehearse without an account, run pytest with --stage-target=local."
    )


def _half_credentials(error: Exception, _way: Way) -> _Reason:
    return AccountRefused, f"the AWS credentials are incomplete: {str(error).rstrip('.')}. Give both keys, or neither."


def _no_login(error: Exception, way: Way) -> _Reason:
    return AccountRefused, f"{clip(str(error), SHOWN_MAX)} {_log_in(way)}"


def _no_credentials_from_there(error: Exception, way: Way) -> _Reason:
    return AccountRefused, (
        f"the credentials could not be fetched: {clip(str(error), SHOWN_MAX)} Try `aws sts get-caller-identity{_profile_option(way)}`."
    )


def _no_profile(_error: Exception, way: Way) -> _Reason:
    known = _profiles()
    return AccountRefused, (
        f"there is no AWS profile {way.profile or _environ_profile()!r}. {nearest(way.profile or _environ_profile(), known)} "
        "Set another one in [tool.stagefright] profile, STAGEFRIGHT_PROFILE or AWS_PROFILE, or make it: `aws configure --profile ...`."
    )


def _environ_profile() -> str:
    import os

    return os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or ""


def _profiles() -> list[str]:
    import botocore.session

    session = botocore.session.Session()
    return list(session.full_config.get("profiles", {}))


def _bad_configuration(error: Exception, _way: Way) -> _Reason:
    return AccountRefused, f"the AWS configuration cannot be used: {clip(str(error), SHOWN_MAX)}"


def _nothing_answers(error: Exception, way: Way) -> _Reason:
    said = clip(str(error), SHOWN_MAX)
    if way.endpoint_url:
        return Unreachable, (
            f"nothing answers at {way.endpoint_url} ({said}). Is the emulator running, and is that its port? Start it, or correct the "
            "endpoint_url (setting, option or variable)."
        )
    known = known_regions()
    if way.region not in known:
        return Unreachable, f"AWS has no region {way.region!r} ({said}). {nearest(way.region, known)}"
    return Unreachable, (
        f"AWS cannot be reached in {way.region} ({said}). Check the network, a proxy (HTTPS_PROXY), and AWS_ENDPOINT_URL."
    )


def _wrong_region(error: Exception, way: Way) -> _Reason:
    return Unreachable, f"{error} {nearest(way.region, known_regions())}"


def _no_trust(error: Exception, way: Way) -> _Reason:
    return Unreachable, (
        f"{way_in_words(way)} shows a certificate that this machine does not trust ({clip(str(error), SHOWN_MAX)}). Behind a proxy that "
        "opens TLS, set AWS_CA_BUNDLE."
    )


def _not_aws(error: Exception, way: Way) -> _Reason:
    if way.has_answered:
        return (
            TargetError,
            f"{way_in_words(way)} failed inside, which its own log explains: {clip(str(error), SHOWN_MAX)}",
        )
    # botocore repeats the whole answer, which may be a page of HTML.
    return Unreachable, _stranger(way, clip(str(error).partition(", invalid XML received")[0], SHOWN_MAX))


def _stranger(way: Way, what: str) -> str:
    return (
        f"what answers at {way.endpoint_url or 'AWS_ENDPOINT_URL'} does not speak AWS's protocols ({what}). Another program may have that "
        "port: correct the setting endpoint_url, or move the program."
    )


def known_regions() -> list[str]:
    """The regions that botocore knows CloudFormation in, of all partitions."""
    import boto3

    session = boto3.Session()
    partitions = session.get_available_partitions()
    return [region for one in partitions for region in session.get_available_regions("cloudformation", one)]


_OF_THE_WAY: Mapping[str, Callable[[Exception, Way], _Reason]] = {
    "NoCredentialsError": _no_credentials,
    "PartialCredentialsError": _half_credentials,
    "CredentialRetrievalError": _no_credentials_from_there,
    "MetadataRetrievalError": _no_credentials_from_there,
    "TokenRetrievalError": _no_login,
    "SSOError": _no_login,
    "LoginError": _no_login,
    "NoAuthTokenError": _no_login,
    "ProfileNotFound": _no_profile,
    "ConfigNotFound": _bad_configuration,
    "ConfigParseError": _bad_configuration,
    "InvalidConfigError": _bad_configuration,
    "InfiniteLoopConfigError": _bad_configuration,
    "SSLError": _no_trust,
    "InvalidRegionError": _wrong_region,
    "NoRegionError": _wrong_region,
    "HTTPClientError": _nothing_answers,
    "ConnectionError": _nothing_answers,
    "ResponseParserError": _not_aws,
}
"""botocore's exceptions by name, since loading its list of them takes time; the nearest one of an exception's ancestors counts."""


def way_in_words(way: Way) -> str:
    """Who is asked: AWS, or the emulator."""
    return f"the emulator at {way.endpoint_url}" if way.endpoint_url else "AWS"
