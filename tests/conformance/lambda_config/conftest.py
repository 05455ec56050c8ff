"""A Lambda service on a small world, called as boto3 would call it: every answer is checked against the API's model."""

from __future__ import annotations

import io
import zipfile
from types import SimpleNamespace

import botocore.session
import pytest
from botocore import xform_name
from botocore.validate import ParamValidator

from stagefright.aws_api.errors import ApiError
from stagefright.chance import Chance
from stagefright.clock import Clock
from stagefright.services.functions import FunctionService

ROLE = "arn:aws:iam::123456789012:role/orders"


class Queues:
    """Queues by name, each with its visibility timeout."""

    def __init__(self):
        self.visibility_s = {"jobs": 30, "jobs.fifo": 30}

    def get_queue_url(self, params):
        if params["QueueName"] not in self.visibility_s:
            message = "The specified queue does not exist."
            raise ApiError("AWS.SimpleQueueService.NonExistentQueue", message)
        return {"QueueUrl": params["QueueName"]}

    def get_queue_attributes(self, params):
        return {"Attributes": {"VisibilityTimeout": str(self.visibility_s[params["QueueUrl"]])}}


class World:
    """As much of a world as the Lambda service needs."""

    account = "123456789012"
    region = "eu-west-1"
    account_concurrency = 1000

    def __init__(self, code_dir):
        self.clock = Clock()
        self.chance = Chance(1)
        self.queues = Queues()
        self.code_dir = code_dir
        self.objects = {}
        self.warnings = []
        self.journal = SimpleNamespace(write=lambda kind, resource, **detail: self.warnings.append((resource, detail)))

    def read_s3(self, bucket, key, version):
        try:
            return self.objects[bucket, key]
        except KeyError:
            raise ApiError("NoSuchKey", "The specified key does not exist.", status=404) from None

    def has_stream(self, arn):
        return "missing" not in arn

    def name_of(self, arn_or_name):
        return arn_or_name.rsplit(":", 1)[-1]


class Client:
    """Calls an operation by keyword, and checks parameters and answer against botocore's model."""

    def __init__(self, service):
        self._service = service
        self._model = botocore.session.get_session().get_service_model("lambda")
        self._operations = {xform_name(name): self._model.operation_model(name) for name in self._model.operation_names}
        self.errors = {shape.name for shape in self._model.error_shapes}

    def __getattr__(self, operation):
        model = self._operations[operation]

        def call(**params):
            report = ParamValidator().validate(params, model.input_shape).generate_report()
            # A range or a missing parameter is the service's to refuse; an unknown name is the test's slip.
            assert "Unknown parameter" not in report
            response = getattr(self._service, operation)(params)
            check_shape(response, model.output_shape, operation)
            return response

        return call

    @property
    def operations(self):
        """The API's operations that the service has."""
        return {name for name in self._operations if hasattr(self._service, name)}


def check_shape(value, shape, where):
    """Assert that each key of a response is a member of the shape, with a value of its kind."""
    if shape is None:
        assert value == {}, f"{where} has no output, but answered {value}"
    elif shape.type_name == "structure":
        assert set(value) <= set(shape.members), f"{where} has no member {set(value) - set(shape.members)}"
        for name, part in value.items():
            check_shape(part, shape.members[name], f"{where}.{name}")
    elif shape.type_name == "list":
        for part in value:
            check_shape(part, shape.member, where)
    elif shape.type_name == "map":
        for part in value.values():
            check_shape(part, shape.value, where)
    else:
        assert type(value).__name__ == KINDS[shape.type_name], f"{where} is {value!r}, not a {shape.type_name}"


KINDS = {
    "string": "str",
    "integer": "int",
    "long": "int",
    "boolean": "bool",
    "timestamp": "datetime",
    "double": "float",
    "blob": "bytes",
}


@pytest.fixture
def world(tmp_path):
    """A small world with the queues `jobs` and `jobs.fifo`."""
    return World(tmp_path)


@pytest.fixture
def service(world):
    """The Lambda service of the world."""
    return FunctionService(world)


@pytest.fixture
def api(service):
    """The service as boto3 would call it."""
    return Client(service)


@pytest.fixture
def zip_of():
    """Packs files into a zip: `zip_of({"app.py": "..."})`."""

    def pack(files):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as bundle:
            for name, text in files.items():
                bundle.writestr(zipfile.ZipInfo(name), text)
        return archive.getvalue()

    return pack


@pytest.fixture
def create(api, zip_of):
    """Creates a function; every argument of CreateFunction can be given, or None to leave it out."""

    def make(name="orders", **changes):
        params = {
            "FunctionName": name,
            "Runtime": "python3.12",
            "Handler": "app.handler",
            "Role": ROLE,
            "Code": {"ZipFile": zip_of({"app.py": "def handler(event, context): return event"})},
        } | changes
        return api.create_function(**{key: value for key, value in params.items() if value is not None})

    return make


@pytest.fixture
def refusal():
    """Runs a call that must be refused, and answers (code, message, status)."""

    def run(call, /, *args, **params):
        with pytest.raises(ApiError) as caught:
            call(*args, **params)
        return caught.value.code, caught.value.message, caught.value.status

    return run
