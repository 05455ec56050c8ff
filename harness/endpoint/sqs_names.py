"""
How SQS's query protocol names what its JSON protocol calls otherwise.

botocore's model of SQS has forgotten the older names, which SDKs of before 2023 still send, and read in the answers.
"""

from __future__ import annotations

from typing import Any

XML_NAMESPACE = "http://queue.amazonaws.com/doc/2012-11-05/"

_ELEMENTS = {
    "AttributeNames": "AttributeName",
    "MessageAttributeNames": "MessageAttributeName",
    "MessageSystemAttributeNames": "MessageSystemAttributeName",
    "Attributes": "Attribute",
    "MessageAttributes": "MessageAttribute",
    "MessageSystemAttributes": "MessageSystemAttribute",
    "AWSAccountIds": "AWSAccountId",
    "Actions": "ActionName",
    "TagKeys": "TagKey",
    "Tags": "Tag",
    "tags": "Tag",
    "Messages": "Message",
    "QueueUrls": "QueueUrl",
    "queueUrls": "QueueUrl",
    "Failed": "BatchResultErrorEntry",
    "Results": "ListMessageMoveTasksResultEntry",
    "StringListValues": "StringListValue",
    "BinaryListValues": "BinaryListValue",
}


def element(shape: Any, member: str) -> str:
    """The name of a member of a structure in the query protocol."""
    if member == "Entries":
        return f"{shape.name}Entry"
    if member == "Successful":
        return f"{shape.name}Entry"
    return _ELEMENTS.get(member, member)


def entry_names(element_name: str) -> tuple[str, str]:
    """What key and value of a map's entry are called."""
    return ("Key", "Value") if element_name == "Tag" else ("Name", "Value")
