"""aws-semantics §8.3, §8.4: API Gateway's HTTP APIs in front of functions."""

from __future__ import annotations

import base64
import json

import pytest
import requests

ECHO = """
    import json
    def handler(event, context):
        return {"statusCode": 200, "body": json.dumps(event)}
"""


@pytest.fixture
def api(system):
    """Deploys an HTTP API with some routes to `Worker`, and returns the session of its client."""

    def up(
        code=ECHO,
        *routes,
        version="2.0",
        stage="$default",
        timeout=3,
        variables=None,
        function=None,
        integration=None,
        **more,
    ):
        system.up(
            Worker=system.function(code, Timeout=timeout, **(function or {})),
            Api=system.resource("ApiGatewayV2::Api", Name="api", ProtocolType="HTTP", **more),
            Integration=system.resource(
                "ApiGatewayV2::Integration",
                ApiId=system.ref("Api"),
                IntegrationType="AWS_PROXY",
                IntegrationUri=system.att("Worker"),
                PayloadFormatVersion=version,
                **(integration or {}),
            ),
            Stage=system.resource(
                "ApiGatewayV2::Stage",
                ApiId=system.ref("Api"),
                StageName=stage,
                AutoDeploy=True,
                **({"StageVariables": variables} if variables else {}),
            ),
            **{
                f"Route{n}": system.resource(
                    "ApiGatewayV2::Route",
                    ApiId=system.ref("Api"),
                    RouteKey=route,
                    Target={"Fn::Join": ["/", ["integrations", system.ref("Integration")]]},
                )
                for n, route in enumerate(routes or ("$default",))
            },
        )
        return system.stage.http

    return up


class TestPayload2:
    """§8.3: payload format 2.0."""

    def test_every_key(self, system, api):
        """§8.3: names in lower case; empty maps are left out."""
        http = api(ECHO, "GET /users/{id}", variables={"color": "blue"})
        event = http.get(
            "/users/amy?a=1&b=2&b=3", headers={"X-One": "1", "User-Agent": "tests"}, cookies={"c": "1"}
        ).json()

        api_id = system.stage.ref("Api")
        assert event["version"] == "2.0"
        assert event["routeKey"] == "GET /users/{id}"
        assert event["rawPath"] == "/users/amy"
        assert event["rawQueryString"] == "a=1&b=2&b=3"
        assert event["queryStringParameters"] == {"a": "1", "b": "2,3"}
        assert event["pathParameters"] == {"id": "amy"}
        assert event["stageVariables"] == {"color": "blue"}
        assert event["cookies"] == ["c=1"]
        assert event["headers"]["x-one"] == "1"
        assert "cookie" not in event["headers"]
        assert event["isBase64Encoded"] is False
        assert "body" not in event
        context = event["requestContext"]
        assert context["http"] == {
            "method": "GET",
            "path": "/users/amy",
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": "tests",
        }
        assert (context["accountId"], context["apiId"], context["stage"]) == ("123456789012", api_id, "$default")
        assert context["domainName"] == f"{api_id}.execute-api.us-east-1.amazonaws.com"
        assert context["domainPrefix"] == api_id
        assert context["routeKey"] == "GET /users/{id}"
        assert context["time"] == "01/Jan/2026:00:00:00 +0000"
        assert context["timeEpoch"] == 1767225600000
        assert context["requestId"]

    def test_what_is_empty_is_left_out(self, api):
        """§8.3: no cookies, query, path or stage variables, no body."""
        event = api().get("/").json()

        names = {"cookies", "queryStringParameters", "pathParameters", "stageVariables", "body"}
        assert not names & set(event)
        assert event["rawQueryString"] == ""

    def test_text_bodies(self, api):
        """§8.3: text arrives plain."""
        http = api()
        event = http.post("/", json={"ä": 1}).json()
        form = http.post("/", data={"a": "1"}).json()

        assert (json.loads(event["body"]), event["isBase64Encoded"]) == ({"ä": 1}, False)
        assert (form["body"], form["isBase64Encoded"]) == ("a=1", False)

    def test_binary_bodies(self, api):
        """§8.3: anything else arrives as base64."""
        event = api().post("/", data=b"\x00\xff", headers={"Content-Type": "image/png"}).json()

        assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (b"\x00\xff", True)

    def test_an_event_in_the_journal_causes_the_invocation(self, system, api):
        """The journal: the API accepted an event, and the invocation names it."""
        api(ECHO, "GET /posts").get("/posts")

        (event,) = system.records("event", "Api")
        assert (event.detail["route"], event.detail["path"]) == ("GET /posts", "/posts")
        assert system.invocations()[0].cause == event.n


class TestPayload1:
    """§8.3: payload format 1.0 is REST's, with a version."""

    def test_every_key(self, api):
        """§8.3: multi-value maps; what is absent is null."""
        event = api(ECHO, "GET /users/{id}", version="1.0").get("/users/amy?b=2&b=3").json()

        assert event["version"] == "1.0"
        assert (event["resource"], event["path"], event["httpMethod"]) == ("/users/{id}", "/users/amy", "GET")
        assert event["queryStringParameters"] == {"b": "3"}
        assert event["multiValueQueryStringParameters"] == {"b": ["2", "3"]}
        assert event["pathParameters"] == {"id": "amy"}
        assert (event["stageVariables"], event["body"], event["isBase64Encoded"]) == (None, None, False)
        assert event["requestContext"]["resourcePath"] == "/users/{id}"
        assert event["requestContext"]["requestTimeEpoch"] == 1767225600000

    def test_multi_value_headers_in_the_answer(self, api):
        """§8.3: 1.0 knows multiValueHeaders, and cookies through them."""
        code = """
            def handler(event, context):
                return {"statusCode": 200, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "body": "x"}
        """
        answer = api(code, version="1.0").get("/")

        assert answer.cookies.get_dict() == {"a": "1", "b": "2"}

    def test_there_is_no_inference(self, api):
        """§8.3: an answer without statusCode is malformed in 1.0."""
        answer = api("def handler(event, context): return {'a': 1}", version="1.0").get("/")

        assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})


class TestRouting:
    """§8.3: which route a request takes."""

    ROUTES = ("$default", "ANY /users/{id}", "GET /users/{id}", "GET /users/me", "GET /users/{proxy+}", "ANY /{all+}")

    @pytest.mark.parametrize(
        ("method", "path", "route"),
        [
            ("GET", "/users/me", "GET /users/me"),
            ("GET", "/users/amy", "GET /users/{id}"),
            ("POST", "/users/amy", "ANY /users/{id}"),
            ("GET", "/users/amy/posts", "GET /users/{proxy+}"),
            ("POST", "/users/amy/posts", "ANY /{all+}"),
            ("GET", "/", "$default"),
        ],
    )
    def test_the_most_specific_route_wins(self, api, method, path, route):
        """§8.3: exact, then variables, then greedy, then $default; a method before ANY."""
        assert api(ECHO, *self.ROUTES).request(method, path).json()["routeKey"] == route

    def test_greedy_variables(self, api):
        """§8.3: {proxy+} takes the rest of the path, decoded."""
        event = api(ECHO, "GET /files/{proxy+}").get("/files/a%20b/c").json()

        assert event["pathParameters"] == {"proxy": "a b/c"}

    def test_a_named_stage_is_the_first_part_of_the_path(self, api):
        """§8.3: rawPath has it, the route has not."""
        http = api(ECHO, "GET /posts", stage="prod")
        event = http.get("/prod/posts").json()

        assert (event["rawPath"], event["requestContext"]["stage"]) == ("/prod/posts", "prod")
        assert http.get("/posts").status_code == 404

    def test_no_route(self, system, api):
        """§8.4: 404 `Not Found`, and nothing is invoked."""
        answer = api(ECHO, "GET /posts").get("/nowhere")

        assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})
        assert system.attempts() == []


class TestAnswers:
    """§8.3: what a function's answer becomes."""

    @pytest.mark.parametrize(
        ("value", "text"),
        [("{'a': 1}", '{"a":1}'), ("'plain'", "plain"), ("[1, 2]", "[1,2]"), ("7", "7"), ("None", "null")],
    )
    def test_without_a_status_code(self, api, value, text):
        """§8.3: any JSON is the body of a 200 of type application/json."""
        answer = api(f"def handler(event, context): return {value}").get("/")

        assert (answer.status_code, answer.text) == (200, text)
        assert answer.headers["content-type"] == "application/json"

    def test_status_headers_and_cookies(self, api):
        """§8.3: as given; each of `cookies` is a Set-Cookie."""
        code = """
            def handler(event, context):
                return {"statusCode": "201", "headers": {"X-One": 1, "X-Two": True}, "cookies": ["a=1", "b=2"], "body": "ok"}
        """
        answer = api(code).get("/")

        assert (answer.status_code, answer.text) == (201, "ok")
        assert (answer.headers["x-one"], answer.headers["x-two"]) == ("1", "true")
        assert answer.cookies.get_dict() == {"a": "1", "b": "2"}

    def test_binary_answers(self, api):
        """§8.3: isBase64Encoded bodies are decoded."""
        code = """
            def handler(event, context):
                return {"statusCode": 200, "isBase64Encoded": True, "body": "AP8=", "headers": {"Content-Type": "image/png"}}
        """
        answer = api(code).get("/")

        assert (answer.content, answer.headers["content-type"]) == (b"\x00\xff", "image/png")

    @pytest.mark.parametrize(
        "value",
        [
            "{'statusCode': 'no'}",
            "{'statusCode': 200, 'body': {}}",
            "{'statusCode': 200, 'headers': 'no'}",
            "{'statusCode': 9}",
        ],
    )
    def test_a_malformed_answer(self, api, value):
        """§8.4: 500 with capitals."""
        answer = api(f"def handler(event, context): return {value}").get("/")

        assert (answer.status_code, answer.text) == (500, '{"message":"Internal Server Error"}')


class TestErrors:
    """§8.4: API Gateway's own answers; it never retries."""

    def test_a_function_error(self, system, api):
        """§8.4: 500, and one invocation."""
        answer = api(system.FAILS).get("/")
        system.settle()

        assert (answer.status_code, answer.text) == (500, '{"message":"Internal Server Error"}')
        assert answer.headers["content-type"] == "application/json"
        assert system.attempts() == [0]

    def test_the_functions_own_timeout(self, system, api):
        """§8.4: a function that times out is a function error."""
        answer = api("import time\ndef handler(event, context): time.sleep(9)", timeout=2).get("/")

        assert answer.status_code == 500
        assert system.elapsed() == 2

    def test_thirty_seconds(self, system, api):
        """§8.4: 503 after 30 s; the function runs on to its own end."""
        answer = api("import time\ndef handler(event, context): time.sleep(40); print('done')", timeout=60).get("/")
        assert (answer.status_code, answer.text) == (503, '{"message":"Service Unavailable"}')
        assert system.elapsed() == 30

        system.settle()
        assert system.elapsed() == 40
        assert [record.detail["line"].strip() for record in system.records("log")] == ["done"]

    def test_a_shorter_integration_timeout(self, system, api):
        """§8.4: TimeoutInMillis of the integration."""
        code = "import time\ndef handler(event, context): time.sleep(40)"
        assert api(code, timeout=60, integration={"TimeoutInMillis": 2000}).get("/").status_code == 503
        assert system.elapsed() == 2

    def test_a_throttled_function(self, api):
        """§8.4: 503."""
        answer = api(function={"ReservedConcurrentExecutions": 0}).get("/")

        assert (answer.status_code, answer.text) == (503, '{"message":"Service Unavailable"}')

    def test_a_deleted_function(self, system, api):
        """§8.4: a refusal of Lambda is a 500."""
        http = api()
        system.client("lambda").delete_function(FunctionName=system.stage.ref("Worker"))

        assert http.get("/").status_code == 500

    def test_a_clients_read_timeout_is_virtual(self, system, api):
        """The client of the test gives up after its own timeout, in virtual time."""
        http = api("import time\ndef handler(event, context): time.sleep(20)", timeout=60)
        with pytest.raises(requests.exceptions.ReadTimeout):
            http.get("/", timeout=5)

        assert system.elapsed() == 5

    def test_headers_over_10_kb(self, api):
        """§8.4: 10,240 bytes of headers in all."""
        assert api().get("/", headers={"X-Long": "x" * 10_240}).status_code == 431


class TestCors:
    """CORS is answered by API Gateway itself."""

    SETTINGS = {  # noqa: RUF012
        "AllowOrigins": ["https://shop.example"],
        "AllowMethods": ["GET", "POST"],
        "AllowHeaders": ["x-token"],
        "MaxAge": 60,
    }

    def test_preflight(self, system, api):
        """A preflight request never reaches the function."""
        http = api(ECHO, "GET /posts", CorsConfiguration=self.SETTINGS)
        answer = http.options(
            "/posts", headers={"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"}
        )

        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert answer.headers["access-control-allow-methods"] == "GET,POST"
        assert answer.headers["access-control-allow-headers"] == "x-token"
        assert answer.headers["access-control-max-age"] == "60"
        assert system.attempts() == []

    def test_answers_carry_the_apis_headers(self, api):
        """The function's own CORS headers are replaced; strangers get none."""
        code = """
            def handler(event, context):
                return {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*"}, "body": ""}
        """
        http = api(code, CorsConfiguration=self.SETTINGS)
        allowed = http.get("/", headers={"Origin": "https://shop.example"})
        stranger = http.get("/", headers={"Origin": "https://evil.example"})

        assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
        assert "access-control-allow-origin" not in stranger.headers


class TestQuickCreate:
    """An API with a `Target` has its route and stage at once; SAM's `Body` is imported."""

    def test_target(self, system):
        """One catch-all route."""
        system.up(
            Worker=system.function(ECHO),
            Api=system.resource("ApiGatewayV2::Api", Name="a", ProtocolType="HTTP", Target=system.att("Worker")),
        )

        assert system.stage.http.get("/any/path").json()["routeKey"] == "$default"

    def test_body(self, system):
        """Routes of an OpenAPI document, with their payload versions."""
        invocations = {
            "Fn::Sub": "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Worker.Arn}/invocations"
        }
        integration = {"type": "aws_proxy", "uri": invocations, "payloadFormatVersion": "2.0"}
        body = {
            "openapi": "3.0.1",
            "info": {"title": "api", "version": "1.0"},
            "paths": {"/posts/{id}": {"get": {"x-amazon-apigateway-integration": integration}}},
        }
        system.up(
            Worker=system.function(ECHO),
            Api=system.resource("ApiGatewayV2::Api", Body=body),
            Stage=system.resource("ApiGatewayV2::Stage", ApiId=system.ref("Api"), StageName="$default"),
        )

        assert system.stage.http.get("/posts/7").json()["pathParameters"] == {"id": "7"}
