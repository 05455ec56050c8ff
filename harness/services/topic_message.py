"""A published message, and the shapes in which subscribers get it (recorded from AWS; semantics §5.5)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

SIGNATURE = base64.b64encode(b"Stagefright does not sign what it delivers. ".ljust(256, b".")).decode()
"""As long as a real signature, and honest about not being one."""

CERTIFICATE = "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"


@dataclass(frozen=True, slots=True)
class Message:
    """One accepted message; `texts` has the text per protocol."""

    id: str
    topic_arn: str
    region: str
    texts: Mapping[str, str]
    published_at: str
    subject: str | None = None
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    group_id: str | None = None
    dedup_id: str | None = None
    sequence_number: str | None = None
    signature_version: str = "1"

    def text_for(self, protocol: str) -> str:
        """What subscribers of a protocol read."""
        return self.texts.get(protocol, self.texts["default"])


def envelope(message: Message, subscription_arn: str, protocol: str) -> dict[str, Any]:
    """The notification for SQS and HTTP; one of a FIFO topic is numbered and not signed (recorded in 08-2025)."""
    body: dict[str, Any] = {"Type": "Notification", "MessageId": message.id}
    if message.sequence_number is not None:
        body["SequenceNumber"] = message.sequence_number
    body["TopicArn"] = message.topic_arn
    if message.subject is not None:
        body["Subject"] = message.subject
    body |= {"Message": message.text_for(protocol), "Timestamp": message.published_at}
    if message.sequence_number is None:
        body |= _signature(message, "SigningCertURL")
    body["UnsubscribeURL"] = _unsubscribe_url(message, subscription_arn)
    if message.attributes:
        body["MessageAttributes"] = shown_attributes(message.attributes)
    return body


def confirmation(message_id: str, topic_arn: str, token: str, at: str) -> dict[str, Any]:
    """What an HTTP/S endpoint is asked before it gets anything else; note that `SubscribeURL` confirms by a plain GET."""
    region = topic_arn.split(":")[3]
    query = f"Action=ConfirmSubscription&TopicArn={quote(topic_arn, safe=':')}&Token={token}"
    return {
        "Type": "SubscriptionConfirmation",
        "MessageId": message_id,
        "Token": token,
        "TopicArn": topic_arn,
        "Message": f"You have chosen to subscribe to the topic {topic_arn}.\nTo confirm the subscription, visit the SubscribeURL included in this message.",
        "SubscribeURL": f"https://sns.{region}.amazonaws.com/?{query}",
        "Timestamp": at,
        "SignatureVersion": "1",
        "Signature": SIGNATURE,
        "SigningCertURL": f"https://sns.{region}.amazonaws.com/{CERTIFICATE}",
    }


def envelope_text(message: Message, subscription_arn: str, protocol: str) -> str:
    """The notification as the body of an SQS message, laid out as AWS does it: a line per field and per attribute."""
    lines = [
        f'  "{name}" : {_laid_out(value)}' for name, value in envelope(message, subscription_arn, protocol).items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}"


def _laid_out(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    lines = [f"    {json.dumps(name)} : {_compact(attribute)}" for name, attribute in value.items()]
    return "{\n" + ",\n".join(lines) + "\n  }"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def lambda_event(message: Message, subscription_arn: str) -> dict[str, Any]:
    """The event for a function; note `Url` where the notification for SQS has `URL`."""
    sns = {
        "Type": "Notification",
        "MessageId": message.id,
        "TopicArn": message.topic_arn,
        "Subject": message.subject,
        "Message": message.text_for("lambda"),
        "Timestamp": message.published_at,
        **_signature(message, "SigningCertUrl"),
        "UnsubscribeUrl": _unsubscribe_url(message, subscription_arn),
        "MessageAttributes": shown_attributes(message.attributes),
    }
    record = {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription_arn, "Sns": sns}
    return {"Records": [record]}


def shown_attributes(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Attributes as subscribers see them: type and text, binary values in base64."""
    return {
        name: {"Type": attribute["DataType"], "Value": _value_text(attribute)} for name, attribute in attributes.items()
    }


def plain_attributes(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Attributes as the journal has them: name and text."""
    return {name: _value_text(attribute) for name, attribute in attributes.items()}


def content_hash(text: str) -> str:
    """Content-based deduplication: the SHA-256 of the message alone."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _value_text(attribute: Mapping[str, Any]) -> str:
    binary = attribute.get("BinaryValue")
    if binary is None:
        return str(attribute.get("StringValue", ""))
    return base64.b64encode(binary.encode() if isinstance(binary, str) else bytes(binary)).decode()


def _signature(message: Message, certificate_key: str) -> dict[str, str]:
    return {
        "SignatureVersion": message.signature_version,
        "Signature": SIGNATURE,
        certificate_key: f"https://sns.{message.region}.amazonaws.com/{CERTIFICATE}",
    }


def _unsubscribe_url(message: Message, subscription_arn: str) -> str:
    return f"https://sns.{message.region}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={subscription_arn}"
