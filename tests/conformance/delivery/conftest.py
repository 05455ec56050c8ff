"""A real world for delivery tests: small systems described in a line or two per resource, and questions about what happened."""

from __future__ import annotations

import io
import json
import textwrap
import zipfile

import pytest

from stagefright import open_stage

ROLE = "arn:aws:iam::123456789012:role/worker"

ECHO = "def handler(event, context): return event"
FAILS = "def handler(event, context): raise ValueError('no')"


class System:
    """A stage made of a few resources. `up` deploys it; the rest asks, or acts from outside."""

    ECHO, FAILS, ROLE = ECHO, FAILS, ROLE

    def __init__(self, directory):
        self._directory = directory
        self.stage = None

    # Describing

    @staticmethod
    def ref(logical_id):
        return {"Ref": logical_id}

    @staticmethod
    def att(logical_id, attribute="Arn"):
        return {"Fn::GetAtt": [logical_id, attribute]}

    @staticmethod
    def resource(kind, **properties):
        return {"Type": f"AWS::{kind}", "Properties": properties}

    def function(self, code=ECHO, **properties):
        """A Python function whose file is `index.py`."""
        given = {"Runtime": "python3.12", "Handler": "index.handler", "Role": ROLE, **properties}
        return self.resource("Lambda::Function", Code={"ZipFile": textwrap.dedent(code)}, **given)

    def queue(self, **properties):
        return self.resource("SQS::Queue", **properties)

    def redriving(self, logical_id, count, **properties):
        """A queue with a dead-letter queue."""
        policy = {"deadLetterTargetArn": self.att(logical_id), "maxReceiveCount": count}
        return self.queue(RedrivePolicy=policy, **properties)

    def topic(self, **properties):
        return self.resource("SNS::Topic", **properties)

    def mapping(self, source, function="Worker", **properties):
        """An event source mapping; `source` is a logical id or an attribute."""
        arn = self.att(source) if isinstance(source, str) else source
        return self.resource(
            "Lambda::EventSourceMapping", EventSourceArn=arn, FunctionName=self.ref(function), **properties
        )

    def invoke_config(self, function="Worker", *, failure=None, success=None, **properties):
        """Asynchronous settings of a function's `$LATEST`."""
        targets = {"OnFailure": failure, "OnSuccess": success}
        destinations = {name: {"Destination": target} for name, target in targets.items() if target}
        if destinations:
            properties["DestinationConfig"] = destinations
        return self.resource(
            "Lambda::EventInvokeConfig", FunctionName=self.ref(function), Qualifier="$LATEST", **properties
        )

    # Deploying

    def up(self, **resources):
        """Deploy; returns the stage, freshly reset."""
        path = self._directory / "template.json"
        path.write_text(json.dumps({"Resources": resources}))
        self.stage = open_stage("delivery", directory=self._directory, template=path)
        self.began = self.stage.clock.now()
        return self.stage

    def close(self):
        if self.stage is not None:
            self.stage.close()

    # Acting

    def client(self, service):
        return self.stage.client(service)

    def invoke_later(self, event=None, function="Worker", **more):
        """Invoke asynchronously, by API."""
        payload = json.dumps({} if event is None else event).encode()
        name = self.stage.ref(function)
        return self.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=payload, **more)

    def send(self, *bodies, queue="Jobs", **more):
        """Send messages to a queue; returns their ids."""
        url = self.stage.ref(queue)
        sqs = self.client("sqs")
        texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
        return [sqs.send_message(QueueUrl=url, MessageBody=text, **more)["MessageId"] for text in texts]

    def put(self, *data, stream="Feed", key="k"):
        """Put records into a Kinesis stream; returns their sequence numbers."""
        kinesis, name = self.client("kinesis"), self.stage.ref(stream)
        return [
            kinesis.put_record(StreamName=name, PartitionKey=key, Data=json.dumps(one).encode())["SequenceNumber"]
            for one in data
        ]

    def update_code(self, code, function="Worker"):
        self.client("lambda").update_function_code(
            FunctionName=self.stage.ref(function), ZipFile=zipped({"index.py": textwrap.dedent(code)})
        )

    def settle(self):
        self.stage.settle()

    def advance(self, seconds):
        """Let the world run for so long."""
        self.stage.world.kernel.advance(seconds)

    # Asking

    def elapsed(self):
        """Seconds since the stage stood."""
        return round(self.stage.clock.now() - self.began, 3)

    def records(self, kind, resource=None):
        return self.stage.journal.of_kind(kind, resource=resource)

    def invocations(self, function="Worker"):
        return self.records("invocation", function)

    def attempts(self, function="Worker"):
        """When each invocation began, in seconds since the stage stood."""
        return [round(record.at - self.began, 3) for record in self.invocations(function)]

    def events(self, function="Worker"):
        return [record.detail["event"] for record in self.invocations(function)]

    def batches(self, function="Worker"):
        """The bodies (SQS) or data (Kinesis, decoded) of each batch that a function got."""
        return [[_content(record) for record in event["Records"]] for event in self.events(function)]

    def messages(self, queue="Dead"):
        """What lies in a queue, received by the test."""
        found, url = [], self.stage.ref(queue)
        while True:
            answer = self.client("sqs").receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
            )
            if not answer.get("Messages"):
                return found
            found += answer["Messages"]

    def bodies(self, queue="Dead"):
        """The JSON bodies of what lies in a queue."""
        return [json.loads(message["Body"]) for message in self.messages(queue)]

    def depth(self, queue):
        """Visible, in flight, delayed."""
        return tuple(self.stage.world.queues.by_arn(self.stage.arn(queue)).depth())

    def dropped(self):
        return [record.detail["reason"] for record in self.records("dropped")]


def _content(record):
    if "body" in record:
        return record["body"]
    if "kinesis" in record:
        import base64

        return json.loads(base64.b64decode(record["kinesis"]["data"]))
    return record["dynamodb"]["Keys"]["id"]["S"]


def zipped(files):
    """Files as a deployment package."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as bundle:
        for name, text in files.items():
            bundle.writestr(zipfile.ZipInfo(name), text)
    return archive.getvalue()


@pytest.fixture
def package():
    """Packs one Python file as a deployment package."""
    return lambda code: zipped({"index.py": textwrap.dedent(code)})


@pytest.fixture
def system(tmp_path):
    """A system that is closed after the test."""
    made = System(tmp_path)
    yield made
    made.close()


ECHO_HTTP = """
    import json
    def handler(event, context):
        return {"statusCode": 200, "body": json.dumps(event)}
"""


def invocations_of(function):
    """The URI by which API Gateway names a function."""
    path = "lambda:path/2015-03-31/functions/${" + function + ".Arn}/invocations"
    return {"Fn::Sub": "arn:aws:apigateway:${AWS::Region}:" + path}


def rest_method(function="Worker", *, integration=None, **more):
    """A method of an OpenAPI document that goes to a function."""
    given = {"type": "aws_proxy", "httpMethod": "POST", "uri": invocations_of(function), **(integration or {})}
    return {"x-amazon-apigateway-integration": given, **more}


@pytest.fixture
def rest(system):
    """Deploys a REST API with some routes to `Worker`, and returns the session of its client, whose relative URLs go to the stage `prod`."""

    def up(
        code=ECHO_HTTP,
        *routes,
        function=None,
        integration=None,
        method=None,
        document=None,
        stage=None,
        resources=None,
        **api,
    ):
        paths = {}
        for route in routes or ("ANY /{proxy+}", "ANY /"):
            name, _, path = route.partition(" ")
            key = "x-amazon-apigateway-any-method" if name == "ANY" else name.lower()
            paths.setdefault(path, {})[key] = rest_method(integration=integration, **(method or {}))
        body = {"openapi": "3.0.1", "info": {"title": "shop", "version": "1"}, "paths": paths, **(document or {})}
        api_id = system.ref("Api")
        system.up(
            Worker=system.function(code, **(function or {})),
            Api=system.resource("ApiGateway::RestApi", Body=body, **api),
            Deployed=system.resource("ApiGateway::Deployment", RestApiId=api_id),
            Stage=system.resource(
                "ApiGateway::Stage",
                RestApiId=api_id,
                DeploymentId=system.ref("Deployed"),
                StageName="prod",
                **(stage or {}),
            ),
            **(resources or {}),
        )
        return system.stage.http

    return up
