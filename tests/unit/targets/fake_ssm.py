"""As much of SSM's parameters as leases use, in memory; each call waits for its turn if a test says whose turn it is."""

from __future__ import annotations

import random
import threading
from contextlib import suppress

from botocore.exceptions import ClientError


class FakeSsm:
    """Parameters with their versions and tags."""

    def __init__(self):
        self.versions = {}
        self.tags = {}
        self.calls = []
        self.denied = set()
        self.before_call = lambda operation: None

    def texts(self):
        return {name: versions[-1] for name, versions in self.versions.items()}

    def put_parameter(self, *, Name, Value, Type, Overwrite, Tags=None):
        self._begin("PutParameter")
        assert Type == "String"
        assert Value
        if Name in self.versions and not Overwrite:
            raise refusal("ParameterAlreadyExists")
        assert not (Overwrite and Tags)
        self.versions.setdefault(Name, []).append(Value)
        if Tags:
            self.tags[Name] = {tag["Key"]: tag["Value"] for tag in Tags}
        return {"Version": len(self.versions[Name])}

    def get_parameter(self, *, Name):
        self._begin("GetParameter")
        name, _, version = Name.partition(":")
        versions = self.versions.get(name)
        if not versions:
            raise refusal("ParameterNotFound")
        if version and int(version) > len(versions):
            raise refusal("ParameterVersionNotFound")
        return {"Parameter": {"Value": versions[int(version or 0) - 1]}}

    def delete_parameter(self, *, Name):
        self._begin("DeleteParameter")
        if self.versions.pop(Name, None) is None:
            raise refusal("ParameterNotFound")

    def delete_parameters(self, *, Names):
        self._begin("DeleteParameters")
        assert 1 <= len(Names) <= 10
        for name in Names:
            self.versions.pop(name, None)

    def add_tags_to_resource(self, *, ResourceType, ResourceId, Tags):
        self._begin("AddTagsToResource")
        assert ResourceType == "Parameter"
        self.tags[ResourceId] = {tag["Key"]: tag["Value"] for tag in Tags}

    def _begin(self, operation):
        self.before_call(operation)
        self.calls.append(operation)
        if operation in self.denied:
            raise refusal(
                "AccessDeniedException", f"User: amy is not authorized to perform: ssm:{operation} on resource: x"
            )


def refusal(code, message=""):
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(answer, "SomeOperation")


class Turns:
    """Lets several actors call, one call at a time, in an order that a seed draws."""

    def __init__(self, ssm, seed):
        self._ssm = ssm
        self._random = random.Random(seed)
        self._state = threading.Condition()
        self._waiting = set()
        self._running = 0
        self._turn = None
        ssm.before_call = self._before_call

    def _before_call(self, _operation):
        me = threading.get_ident()
        with self._state:
            self._waiting.add(me)
            self._running -= 1
            self._choose()
            self._state.wait_for(lambda: self._turn == me)
            self._turn = None
            self._waiting.discard(me)
            self._running += 1

    def _choose(self):
        """The next is drawn when all wait, so the order depends on the seed alone."""
        if self._running == 0 and self._waiting:
            order = sorted(self._waiting, key=self._names.__getitem__)
            self._turn = self._random.choice(order)
            self._state.notify_all()

    def play(self, *actors):
        """Run functions at once; gives what they return, in their order."""
        results = [None] * len(actors)
        self._names = {}
        begin = threading.Barrier(len(actors))
        self._running = len(actors)

        def run(number, actor):
            self._names[threading.get_ident()] = number
            with suppress(threading.BrokenBarrierError):
                begin.wait()
            try:
                results[number] = actor()
            finally:
                with self._state:
                    self._running -= 1
                    self._choose()

        threads = [threading.Thread(target=run, args=one, daemon=True) for one in enumerate(actors)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), "an actor never ended"
        self._ssm.before_call = lambda _operation: None
        return results
