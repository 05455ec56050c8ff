"""aws-semantics §8.1: API Gateway's REST APIs in front of functions: routes, stages and the proxy event."""

from __future__ import annotations

import base64
import json

import pytest
import requests

IDENTITY = {
    "accessKey": None,
    "accountId": None,
    "caller": None,
    "cognitoAuthenticationProvider": None,
    "cognitoAuthenticationType": None,
    "cognitoIdentityId": None,
    "cognitoIdentityPoolId": None,
    "principalOrgId": None,
    "sourceIp": "127.0.0.1",
    "user": None,
    "userAgent": "tests",
    "userArn": None,
}


class TestEvent:
    """§8.1: the proxy event."""

    @pytest.mark.rule("8.1/keys")
    @pytest.mark.rule("8.1/no-version")
    def test_its_keys(self, rest):
        """§8.1: twelve keys, and no version."""
        assert set(rest().get("/a").json()) == {
            "resource",
            "path",
            "httpMethod",
            "headers",
            "multiValueHeaders",
            "queryStringParameters",
            "multiValueQueryStringParameters",
            "pathParameters",
            "stageVariables",
            "requestContext",
            "body",
            "isBase64Encoded",
        }

    @pytest.mark.rule("8.1/absent-is-null")
    def test_what_is_absent_is_null(self, rest):
        """§8.1: null, where format 2.0 of HTTP APIs leaves keys out."""
        event = rest().get("/").json()

        names = ("queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables", "body")
        assert {name: event[name] for name in names} == dict.fromkeys(names)
        assert event["isBase64Encoded"] is False

    @pytest.mark.rule("8.1/header-case")
    def test_headers_keep_their_case(self, rest):
        """§8.1: as the client wrote them, in both maps."""
        event = rest().get("/", headers={"X-Custom-HEADER": "1"}).json()

        assert event["headers"]["X-Custom-HEADER"] == "1"
        assert event["multiValueHeaders"]["X-Custom-HEADER"] == ["1"]

    @pytest.mark.rule("8.1/path-without-stage")
    @pytest.mark.rule("8.1/context-path-with-stage")
    def test_paths(self, rest):
        """§8.1: `path` without the stage, `requestContext.path` with it."""
        event = rest(TestRouting.ECHO, "GET /users/{id}").get("/users/amy").json()

        assert (event["path"], event["resource"], event["httpMethod"]) == ("/users/amy", "/users/{id}", "GET")
        assert event["requestContext"]["path"] == "/prod/users/amy"
        assert event["requestContext"]["resourcePath"] == "/users/{id}"
        assert event["pathParameters"] == {"id": "amy"}

    @pytest.mark.rule("8.1/request-context")
    @pytest.mark.rule("8.1/identity")
    def test_the_context(self, system, rest):
        """§8.1: every key, with what this request had."""
        answer = rest(stage={"Variables": {"color": "blue"}}).get("/x", headers={"User-Agent": "tests"})
        event = answer.json()
        context, api_id = event["requestContext"], system.stage.ref("Api")

        assert event["stageVariables"] == {"color": "blue"}
        assert context.pop("identity") == IDENTITY
        assert context.pop("requestId") == answer.headers["x-amzn-RequestId"]
        assert all(context.pop(name) for name in ("extendedRequestId", "resourceId"))
        assert context == {
            "accountId": "123456789012",
            "apiId": api_id,
            "deploymentId": system.stage.ref("Deployed"),
            "domainName": f"{api_id}.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": api_id,
            "httpMethod": "GET",
            "path": "/prod/x",
            "protocol": "HTTP/1.1",
            "requestTime": "01/Jan/2026:00:00:00 +0000",
            "requestTimeEpoch": 1767225600000,
            "resourcePath": "/{proxy+}",
            "stage": "prod",
        }

    @pytest.mark.rule("8.1/last-value-wins")
    @pytest.mark.rule("8.1/multi-values")
    def test_several_values(self, rest):
        """§8.1: price 10, 20, 30 is 30, and all of them in the other map."""
        event = rest().get("/?price=10&price=20&price=30&size=s").json()

        assert event["queryStringParameters"] == {"price": "30", "size": "s"}
        assert event["multiValueQueryStringParameters"] == {"price": ["10", "20", "30"], "size": ["s"]}

    @pytest.mark.rule("8.1/query-decoded")
    def test_queries_are_decoded(self, rest):
        """§8.1: percent signs and plus signs."""
        event = rest().get("/?q=a%20b&r=c+d&empty=").json()

        assert event["queryStringParameters"] == {"q": "a b", "r": "c d", "empty": ""}

    def test_text_bodies(self, rest):
        """A body is text unless its type is binary."""
        event = rest().post("/", json={"ä": 1}).json()

        assert (json.loads(event["body"]), event["isBase64Encoded"]) == ({"ä": 1}, False)

    @pytest.mark.rule("8.2/binary-in")
    @pytest.mark.parametrize(
        ("types", "given", "is_base64"),
        [
            (["image/png"], "image/png", True),
            (["image~1png"], "image/png; charset=x", True),
            (["*/*"], "text/plain", True),
            (["image/png"], "image/jpeg", False),
            ([], "image/png", False),
        ],
    )
    def test_binary_bodies(self, rest, types, given, is_base64):
        """§8.2: base64 if the request's Content-Type is a binary media type of the API, else text."""
        answer = rest(BinaryMediaTypes=types).post(
            "/", data=b"hi", headers={"Content-Type": given, "Accept": "application/json"}
        )
        event = answer.json()

        assert event["isBase64Encoded"] is is_base64
        assert event["body"] == (base64.b64encode(b"hi").decode() if is_base64 else "hi")

    def test_an_event_in_the_journal_causes_the_invocation(self, system, rest):
        """The journal: the API accepted an event, and the invocation names it."""
        rest(TestRouting.ECHO, "GET /posts").get("/posts")

        (event,) = system.records("event", "Api")
        assert (event.detail["route"], event.detail["path"]) == ("GET /posts", "/prod/posts")
        assert system.invocations()[0].cause == event.n


class TestRouting:
    """Which method a request takes."""

    ECHO = """
        import json
        def handler(event, context):
            return {"statusCode": 200, "body": json.dumps(event)}
    """
    ROUTES = (
        "ANY /users/{id}",
        "GET /users/{id}",
        "GET /users/me",
        "GET /users/{id}/posts",
        "GET /users/{proxy+}",
        "ANY /{all+}",
        "GET /",
    )

    @pytest.mark.parametrize(
        ("method", "path", "resource"),
        [
            ("GET", "/users/me", "/users/me"),
            ("GET", "/users/me/", "/users/me"),
            ("GET", "/users/amy", "/users/{id}"),
            ("GET", "/users/a%2Fb", "/users/{id}"),
            ("POST", "/users/amy", "/users/{id}"),
            ("GET", "/users/amy/posts", "/users/{id}/posts"),
            ("GET", "/users/amy/likes", "/users/{proxy+}"),
            ("POST", "/users/me", "/users/{id}"),
            ("POST", "/users/amy/posts", "/{all+}"),
            ("GET", "/", "/"),
        ],
    )
    def test_the_most_specific_resource_wins(self, rest, method, path, resource):
        """A literal part beats a variable, which beats a greedy one; a method of its own beats ANY."""
        assert rest(self.ECHO, *self.ROUTES).request(method, path).json()["resource"] == resource

    def test_greedy_variables(self, rest):
        """{proxy+} takes the rest of the path, decoded; `path` stays as it was written."""
        event = rest(self.ECHO, "GET /files/{proxy+}").get("/files/a%20b/c").json()

        assert (event["pathParameters"], event["path"]) == ({"proxy": "a b/c"}, "/files/a%20b/c")

    @pytest.mark.rule("8.4/rest-unknown-route")
    @pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("POST", "/posts"), ("GET", "/posts/1")])
    def test_no_route(self, system, rest, method, path):
        """§8.4: 403, and the journal names what is deployed."""
        answer = rest(self.ECHO, "GET /posts").request(method, path)

        assert (answer.status_code, answer.text) == (403, '{"message":"Missing Authentication Token"}')
        assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
        assert system.attempts() == []
        assert system.dropped() == [f"no method for {method} {path}; deployed: GET /posts"]

    def test_no_stage(self, system, rest):
        """403 Forbidden, and the journal names the stages."""
        rest()
        answer = requests.get(f"https://{system.stage.ref('Api')}.execute-api.us-east-1.amazonaws.com/test/x")

        assert (answer.status_code, answer.text) == (403, '{"message":"Forbidden"}')
        assert system.dropped() == ["there is no stage 'test' for /test/x; stages: prod"]

    def test_no_api(self, system, rest):
        """A host that is nobody's."""
        rest()

        assert requests.get("https://nobody.execute-api.us-east-1.amazonaws.com/prod/x").status_code == 404

    def test_handlers_call_it_too(self, system, rest):
        """A function asks an API of its own stage, in virtual time."""
        code = """
            import json, urllib.request
            def handler(event, context):
                if event["resource"] == "/b":
                    return {"statusCode": 200, "body": "from b"}
                url = f"https://{event['requestContext']['domainName']}/prod/b"
                return {"statusCode": 200, "body": urllib.request.urlopen(url).read().decode()}
        """
        assert rest(code, "GET /a", "GET /b").get("/a").text == "from b"


class TestDeployments:
    """What is served is what was deployed."""

    def test_a_change_needs_a_deployment(self, system, rest):
        """A method that is taken away answers until the API is deployed anew."""
        http = rest(TestRouting.ECHO, "GET /a", "GET /b")
        client, api_id = system.client("apigateway"), system.stage.ref("Api")
        resources = client.get_resources(restApiId=api_id)["items"]
        (gone,) = (one["id"] for one in resources if one["path"] == "/a")
        client.delete_method(restApiId=api_id, resourceId=gone, httpMethod="GET")
        assert http.get("/a").status_code == 200

        client.create_deployment(restApiId=api_id, stageName="prod")
        assert (http.get("/a").status_code, http.get("/b").status_code) == (403, 200)

    def test_a_new_deployment_keeps_the_stages_settings(self, system, rest):
        """Its variables stay, and those of the deployment come on top."""
        http = rest(stage={"Variables": {"color": "blue"}})
        given = {"restApiId": system.stage.ref("Api"), "stageName": "prod", "variables": {"size": "s"}}
        system.client("apigateway").create_deployment(**given)

        assert http.get("/").json()["stageVariables"] == {"color": "blue", "size": "s"}

    def test_settings_of_a_stage_are_in_force_at_once(self, system, rest):
        """Variables need no deployment."""
        http = rest()
        operations = [{"op": "replace", "path": "/variables/color", "value": "red"}]
        given = {"restApiId": system.stage.ref("Api"), "stageName": "prod", "patchOperations": operations}
        system.client("apigateway").update_stage(**given)

        assert http.get("/").json()["stageVariables"] == {"color": "red"}

    def test_a_reset_brings_the_deployment_back(self, system, rest):
        """Deployments of a test are gone after it."""
        http = rest(TestRouting.ECHO, "GET /a")
        client, api_id = system.client("apigateway"), system.stage.ref("Api")
        (gone,) = (one["id"] for one in client.get_resources(restApiId=api_id)["items"] if one["path"] == "/a")
        client.put_method(restApiId=api_id, resourceId=gone, httpMethod="POST", authorizationType="NONE")
        client.put_integration(restApiId=api_id, resourceId=gone, httpMethod="POST", type="MOCK")
        client.delete_method(restApiId=api_id, resourceId=gone, httpMethod="GET")
        client.create_deployment(restApiId=api_id, stageName="prod")
        assert http.get("/a").status_code == 403

        system.stage.reset()
        assert http.get("/a").status_code == 200

    def test_it_is_deterministic(self, system, rest):
        """The same seed, the same ids."""
        http = rest()
        first = http.get("/x").text
        system.stage.reset()

        assert http.get("/x").text == first


class TestFunctions:
    """Which function a URI names."""

    def test_an_alias(self, system, rest):
        """Its version runs."""
        uri = invocations_of_alias()
        http = rest(
            "def handler(event, context): return {'statusCode': 200, 'body': context.function_version}",
            integration={"uri": uri},
            resources={
                "One": system.resource("Lambda::Version", FunctionName=system.ref("Worker")),
                "Live": system.resource(
                    "Lambda::Alias",
                    Name="live",
                    FunctionName=system.ref("Worker"),
                    FunctionVersion=system.att("One", "Version"),
                ),
            },
        )

        assert http.get("/").text == "1"

    def test_a_stage_variable(self, system, rest):
        """Which alias, or which function, is the stage's to say."""
        path = "lambda:path/2015-03-31/functions/${Worker.Arn}:${!stageVariables.alias}/invocations"
        http = rest(
            "def handler(event, context): return {'statusCode': 200, 'body': context.invoked_function_arn}",
            integration={"uri": {"Fn::Sub": "arn:aws:apigateway:${AWS::Region}:" + path}},
            stage={"Variables": {"alias": "$LATEST"}},
        )

        assert http.get("/").text.endswith(":$LATEST")


def invocations_of_alias():
    return {"Fn::Sub": "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Live}/invocations"}
