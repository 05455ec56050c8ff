"""
HTTP/S endpoints as subscribers of a topic, as far as they are APIs or function URLs of the stage itself (semantics §5.2, §5.5).

AWS first posts a `SubscriptionConfirmation`, and nothing else until the endpoint has confirmed: by `ConfirmSubscription` with the token,
or by a plain GET of the `SubscribeURL`. Endpoints elsewhere are none of ours: nothing leaves the process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from stagefright.aws_api.errors import ApiError
from stagefright.clock import iso
from stagefright.delivery import targets
from stagefright.services.apis.message import HttpRequest, HttpResponse
from stagefright.services.topic_delivery import Subscription, SubscriptionDelivery
from stagefright.services.topic_message import Message, confirmation, envelope
from stagefright.services.topic_retries import policy_of
from stagefright.services.topic_rules import invalid, no_such_topic

if TYPE_CHECKING:
    from stagefright.services.peers import World

ENDPOINT_PROTOCOLS = ("http", "https")

TOKEN_DIGITS = 224
"""As long as AWS's."""

PENDING = "pending confirmation"
"""What `Subscribe` answers instead of an ARN, unless the caller wants one all the same."""

AGENT = "Amazon Simple Notification Service Agent"


def is_ours(world: World, protocol: str, endpoint: str) -> bool:
    """Whether an endpoint is part of the stage."""
    return protocol in ENDPOINT_PROTOCOLS and world.endpoints.serves_host(urlsplit(endpoint).hostname or "")


async def post(world: World, url: str, headers: Mapping[str, str], body: str) -> None:
    """Post to an endpoint of the stage; any answer but a 2xx is an `ApiError` with its status."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    given = {"Host": host, "User-Agent": AGENT, "Content-Type": "text/plain; charset=UTF-8", **headers}
    request = HttpRequest("POST", parts.path or "/", parts.query, tuple(given.items()), body.encode())
    response = await world.endpoints.handle(host, request)
    if not 200 <= response.status < 300:
        raise ApiError("EndpointError", f"{url} answered with {response.status}", status=response.status)


class EndpointDelivery(SubscriptionDelivery):
    """One message on its way to one HTTP/S endpoint: 5xx and 429 are tried again, any other refusal is final."""

    def __init__(
        self, world: World, message: Message, subscription: Subscription, cause: int, topic_policy: str | None = None
    ) -> None:
        super().__init__(world, message, subscription, cause)
        self._topic_policy = topic_policy

    def _start(self) -> None:
        name = f"SNS from {self._source} to {self._consumer}"
        self._world.kernel.spawn(self._deliver(), name=name, cause=self._cause)

    def _another(self, cause: int) -> EndpointDelivery:
        return EndpointDelivery(self._world, self._message, self._subscription, cause, self._topic_policy)

    async def _deliver(self) -> None:
        error = await self._attempt_again(1)
        if error is not None and targets.is_retriable(error):
            await self._retry(error)
        elif error is not None:
            self._give_up(error, attempts=1)

    def _ladder(self) -> Iterator[float]:
        policy = policy_of(self._subscription.delivery_policy, self._topic_policy)
        return self._world.backoff.sns_http(policy, self._message.id, self._subscription.arn)

    async def _attempt_again(self, attempt: int) -> ApiError | None:
        record = self._note_attempt(attempt)
        try:
            with self._world.kernel.blame(record):
                await post(self._world, self._subscription.endpoint, self._headers(), self._body())
        except ApiError as error:
            return error
        return None

    def _headers(self) -> dict[str, str]:
        headers = {
            "x-amz-sns-message-type": "Notification",
            "x-amz-sns-message-id": self._message.id,
            "x-amz-sns-topic-arn": self._message.topic_arn,
            "x-amz-sns-subscription-arn": self._subscription.arn,
        }
        return headers | ({"x-amz-sns-rawdelivery": "true"} if self._subscription.raw else {})

    def _body(self) -> str:
        """The message alone if the subscription is raw, else the notification."""
        message, subscription = self._message, self._subscription
        if subscription.raw:
            return message.text_for(subscription.protocol)
        return json.dumps(envelope(message, subscription.arn, subscription.protocol), indent=2, ensure_ascii=False)


class Confirmations:
    """Which HTTP/S subscriptions of the stage's own endpoints still wait to be confirmed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.pending: set[str] = set()
        self._known: set[str] = set()

    def snapshot(self) -> Any:
        return frozenset(self.pending), frozenset(self._known)

    def restore(self, state: Any) -> None:
        pending, known = state
        self.pending, self._known = set(pending), set(known)

    def subscribed(
        self, params: Mapping[str, Any], answer: Mapping[str, Any], subscription: Any, cause: int | None
    ) -> None:
        """Ask a new endpoint, or again one that has not confirmed yet, and answer as AWS does until it has."""
        arn = subscription.arn
        if arn not in self._known:
            self._known.add(arn)
            self.pending.add(arn)
        if arn not in self.pending:
            return
        subscription.attributes["PendingConfirmation"] = True
        # What another process has asked for is on its way to it already, with the ARN.
        if not params.get("ReturnSubscriptionArn") and isinstance(answer, dict):
            answer["SubscriptionArn"] = PENDING
        name = f"SNS asks {subscription.endpoint}"
        self._world.kernel.spawn(self._ask(subscription), name=name, cause=cause)

    async def _ask(self, subscription: Any) -> None:
        """Post the confirmation; it is tried again like a notification."""
        world, topic_arn = self._world, subscription.topic.arn
        message_id = world.chance.uuid("sns confirmation", subscription.arn)
        headers = {
            "x-amz-sns-message-type": "SubscriptionConfirmation",
            "x-amz-sns-message-id": message_id,
            "x-amz-sns-topic-arn": topic_arn,
        }
        token = self._token(subscription.arn)
        body = json.dumps(confirmation(message_id, topic_arn, token, iso(world.clock.now())), indent=2)
        for delay in (0.0, *world.backoff.sns_http(policy_of(None, subscription.topic.delivery_policy), message_id)):
            await world.kernel.sleep(delay)
            try:
                await post(world, subscription.endpoint, headers, body)
            except ApiError as error:
                if targets.is_retriable(error):
                    continue
            return

    def confirm_subscription(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`ConfirmSubscription`: from now on the endpoint gets what is published."""
        topic_arn, token = params.get("TopicArn") or "", params.get("Token") or ""
        found = [
            known for known in _subscriptions(topic_arn) if known.arn in self._known and self._token(known.arn) == token
        ]
        if not found:
            raise invalid("Token")
        self.pending.discard(found[0].arn)
        found[0].attributes["PendingConfirmation"] = False
        return {"SubscriptionArn": found[0].arn}

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer a plain GET of a `SubscribeURL`, in AWS's XML."""
        given = {name: values[-1] for name, values in parse_qs(request.query).items()}
        try:
            arn = self._confirmed(given)
        except ApiError as error:
            kind = (
                f"<Error><Type>Sender</Type><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
            )
            return _xml(error.status, "ErrorResponse", kind)
        result = f"<ConfirmSubscriptionResult><SubscriptionArn>{arn}</SubscriptionArn></ConfirmSubscriptionResult>"
        return _xml(200, "ConfirmSubscriptionResponse", result)

    def _confirmed(self, given: Mapping[str, str]) -> str:
        if given.get("Action") != "ConfirmSubscription":
            raise ApiError("InvalidAction", f"The local stage does not answer a GET of {given.get('Action')}.")
        return str(self.confirm_subscription(given)["SubscriptionArn"])

    def _token(self, arn: str) -> str:
        return self._world.chance.hex(TOKEN_DIGITS, "sns token", arn)


def _xml(status: int, name: str, content: str) -> HttpResponse:
    text = f'<{name} xmlns="http://sns.amazonaws.com/doc/2010-03-31/">{content}</{name}>'
    return HttpResponse(status, (("Content-Type", "text/xml"),), text.encode())


def _subscriptions(topic_arn: str) -> Iterator[Any]:
    from moto.sns.models import sns_backends

    parts = topic_arn.split(":")
    if len(parts) != 6:
        raise no_such_topic()
    for found in sns_backends[parts[4]][parts[3]].subscriptions.values():
        if found.topic_arn == topic_arn:
            yield found
