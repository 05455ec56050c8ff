"""aws-semantics §8.3, §8.4: API Gateway's HTTP APIs in front of functions."""

from __future__ import annotations

import base64
import json

import pytest
import requests

from stagefright.services.apis import throttling

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

    @pytest.mark.rule("8.3/payload-2-keys")
    @pytest.mark.rule("8.3/payload-2-context")
    @pytest.mark.rule("8.3/header-names-lower")
    @pytest.mark.rule("8.3/repeated-joined")
    def test_every_key(self, system, api):
        """§8.3: names in lower case; empty maps are left out."""
        http = api(ECHO, "GET /users/{id}", variables={"color": "blue"})
        event = http.get(
            "/users/amy?a=1&b=2&b=3",
            headers={"X-One": "1", "User-Agent": "tests", "X-Forwarded-For": "1.2.3.4"},
            cookies={"c": "1"},
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
        assert all(name == name.lower() for name in event["headers"])
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
        assert context["authentication"] is None

    @pytest.mark.rule("8.3/repeated-joined")
    def test_repeated_headers(self, system, api):
        """§8.3: joined by commas; a function's client may well repeat one."""
        code = """
            import http.client, json
            def handler(event, context):
                if event["rawPath"] == "/echo":
                    return event["headers"]
                client = http.client.HTTPSConnection(event["requestContext"]["domainName"])
                client.putrequest("GET", "/echo")
                client.putheader("X-Many", "1")
                client.putheader("x-many", "2")
                client.endheaders()
                return json.loads(client.getresponse().read())
        """

        assert api(code).get("/").json()["x-many"] == "1,2"

    @pytest.mark.rule("8.3/empty-maps-omitted")
    def test_what_is_empty_is_left_out(self, api):
        """§8.3: no cookies, query, path or stage variables, no body."""
        event = api().get("/").json()

        names = {"cookies", "queryStringParameters", "pathParameters", "stageVariables", "body"}
        assert not names & set(event)
        assert event["rawQueryString"] == ""

    @pytest.mark.rule("8.3/text-body-plain")
    def test_text_bodies(self, api):
        """§8.3: text arrives plain."""
        http = api()
        event = http.post("/", json={"ä": 1}).json()
        form = http.post("/", data={"a": "1"}).json()

        assert (json.loads(event["body"]), event["isBase64Encoded"]) == ({"ä": 1}, False)
        assert (form["body"], form["isBase64Encoded"]) == ("a=1", False)

    @pytest.mark.rule("8.3/binary-body-base64")
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

    @pytest.mark.rule("8.3/payload-1-version")
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

    def test_a_route_to_something_else(self, system, api):
        """An integration that is not a function is named, and no other route stands in for it."""
        http = api(ECHO, "$default")
        client, given = system.client("apigatewayv2"), {"ApiId": system.stage.ref("Api")}
        made = client.create_integration(
            **given,
            IntegrationType="HTTP_PROXY",
            IntegrationMethod="GET",
            IntegrationUri="https://example.com",
            PayloadFormatVersion="1.0",
        )
        client.create_route(**given, RouteKey="GET /other", Target=f"integrations/{made['IntegrationId']}")

        assert http.get("/other").status_code == 500
        (warning,) = system.records("warning", "Api")
        assert warning.detail["message"].startswith(
            "GET /other has an integration of type HTTP_PROXY (https://example.com);"
        )

    @pytest.mark.rule("8.4/http-unknown-route")
    def test_no_route(self, system, api):
        """§8.4: 404 `Not Found`, and nothing is invoked."""
        answer = api(ECHO, "GET /posts").get("/nowhere")

        assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})
        assert system.attempts() == []


class TestAnswers:
    """§8.3: what a function's answer becomes."""

    @pytest.mark.rule("8.3/inferred-answer")
    @pytest.mark.parametrize(
        ("value", "text"),
        [("{'a': 1}", '{"a":1}'), ("'plain'", "plain"), ("[1, 2]", "[1,2]"), ("7", "7"), ("None", "null")],
    )
    def test_without_a_status_code(self, api, value, text):
        """§8.3: any JSON is the body of a 200 of type application/json."""
        answer = api(f"def handler(event, context): return {value}").get("/")

        assert (answer.status_code, answer.text) == (200, text)
        assert answer.headers["content-type"] == "application/json"

    @pytest.mark.rule("8.3/explicit-answer")
    @pytest.mark.rule("8.3/cookies")
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

    @pytest.mark.rule("8.3/no-multi-value-headers")
    def test_multi_value_headers_are_not_used(self, api):
        """§8.3: format 2.0 does not know them."""
        code = """
            def handler(event, context):
                return {"statusCode": 200, "multiValueHeaders": {"X-Many": ["1"]}, "body": "x"}
        """

        assert "x-many" not in api(code).get("/").headers

    def test_binary_answers(self, api):
        """§8.3: isBase64Encoded bodies are decoded."""
        code = """
            def handler(event, context):
                return {"statusCode": 200, "isBase64Encoded": True, "body": "AP8=", "headers": {"Content-Type": "image/png"}}
        """
        answer = api(code).get("/")

        assert (answer.content, answer.headers["content-type"]) == (b"\x00\xff", "image/png")

    @pytest.mark.rule("8.4/http-function-error")
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

    @pytest.mark.rule("8.4/http-function-error")
    @pytest.mark.rule("8.4/http-no-retries")
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

    @pytest.mark.rule("8.4/http-timeout")
    @pytest.mark.rule("8.4/http-on-timeout")
    @pytest.mark.rule("8.4/function-runs-on")
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

    @pytest.mark.rule("8.4/http-lambda-throttle")
    def test_a_throttled_function(self, api):
        """§8.4: 503."""
        answer = api(function={"ReservedConcurrentExecutions": 0}).get("/")

        assert (answer.status_code, answer.text) == (503, '{"message":"Service Unavailable"}')

    @pytest.mark.rule("8.4/http-lambda-refusal")
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

    @pytest.mark.rule("8.4/http-headers")
    def test_headers_over_10_kb(self, api):
        """§8.4: 10,240 bytes of headers in all."""
        assert api().get("/", headers={"X-Long": "x" * 10_240}).status_code == 431


class TestThrottles:
    """§8.4: token buckets in virtual time, and how much a request may carry."""

    @pytest.fixture
    def limited(self, system, api):
        """An API whose stage lets 2 requests a second through, 3 at once, and `GET /a` one."""

        def up():
            http = api(ECHO, "GET /a", "GET /b")
            limits = {"ThrottlingRateLimit": 2, "ThrottlingBurstLimit": 3}
            own = {"GET /a": {"ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 1}}
            given = {"ApiId": system.stage.ref("Api"), "StageName": "$default"}
            system.client("apigatewayv2").delete_stage(**given)
            system.client("apigatewayv2").create_stage(**given, DefaultRouteSettings=limits, RouteSettings=own)
            return http

        return up

    @pytest.mark.rule("8.4/http-throttle")
    def test_the_stages_limits(self, system, limited):
        """§8.4: 429 with `Too Many Requests`; a route's own limit goes before the default."""
        http = limited()
        assert [http.get("/a").status_code for _ in range(2)] == [200, 429]
        assert [http.get("/b").status_code for _ in range(4)] == [200, 200, 200, 429]
        assert http.get("/b").json() == {"message": "Too Many Requests"}

        system.advance(1)
        assert [http.get("/b").status_code for _ in range(3)] == [200, 200, 429]

    @pytest.mark.rule("8.4/http-account-throttle")
    def test_the_accounts_limit(self, api, monkeypatch):
        """§8.4: for all routes together."""
        monkeypatch.setattr(throttling, "ACCOUNT_BURST", 2)
        http = api(ECHO, "GET /a", "GET /b")

        assert [http.get(path).status_code for path in ("/a", "/b", "/a")] == [200, 200, 429]

    @pytest.mark.rule("8.4/http-payload")
    def test_ten_megabytes(self, system, api):
        """§8.4: 413 above 10 MB; below it Lambda's 6 MB refuse, as any refusal of Lambda does."""
        http = api()

        assert http.post("/", data=b"x" * (10 * 1024 * 1024 + 1)).status_code == 413
        assert http.post("/", data=b"x" * 7 * 1024 * 1024).status_code == 500
        assert system.attempts() == []


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


def token(**claims):
    """A JSON Web Token whose signature nobody can check."""

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256'})}.{part(claims)}.c2ln"


@pytest.fixture
def guarded(system):
    """Deploys an HTTP API whose one route is guarded: by `authorizer`, or as `route` says; returns its client."""

    def up(authorizer=None, *, judge=ECHO, version="2.0", route=None):
        named = {"AuthorizerId": system.ref("Guard")} if authorizer else {}
        guard = {}
        if authorizer:
            settings = {"ApiId": system.ref("Api"), "Name": "guard", **authorizer}
            guard["Guard"] = system.resource("ApiGatewayV2::Authorizer", **settings)
        system.up(
            Worker=system.function(ECHO),
            Judge=system.function(judge),
            Api=system.resource("ApiGatewayV2::Api", Name="api", ProtocolType="HTTP"),
            Integration=system.resource(
                "ApiGatewayV2::Integration",
                ApiId=system.ref("Api"),
                IntegrationType="AWS_PROXY",
                IntegrationUri=system.att("Worker"),
                PayloadFormatVersion=version,
            ),
            Stage=system.resource("ApiGatewayV2::Stage", ApiId=system.ref("Api"), StageName="$default"),
            Route=system.resource(
                "ApiGatewayV2::Route",
                ApiId=system.ref("Api"),
                RouteKey="GET /posts/{id}",
                Target={"Fn::Join": ["/", ["integrations", system.ref("Integration")]]},
                **named,
                **(route or {}),
            ),
            **guard,
        )
        return system.stage.http

    return up


JWT = {
    "AuthorizerType": "JWT",
    "IdentitySource": ["$request.header.Authorization"],
    "JwtConfiguration": {"Issuer": "https://issuer.example/", "Audience": ["shop"]},
}
GOOD = {"iss": "https://issuer.example/", "aud": "shop", "sub": "amy", "exp": 4102444800}


class TestJwtAuthorizers:
    """A JWT authorizer asks for a token and reads it; its signature is not checked, as no key is at hand."""

    ROUTE = {"AuthorizationType": "JWT"}  # noqa: RUF012

    def test_no_token(self, system, guarded):
        """401, nothing is invoked, and the journal says why."""
        answer = guarded(JWT, route=self.ROUTE).get("/posts/1")

        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
        assert system.attempts() == []
        assert system.dropped() == ["guard: the identity source $request.header.Authorization is missing"]

    def test_claims_reach_the_function(self, guarded):
        """As text, under requestContext.authorizer.jwt."""
        http = guarded(JWT, route=self.ROUTE)
        event = http.get("/posts/1", headers={"Authorization": "Bearer " + token(**GOOD, admin=True)}).json()

        assert event["requestContext"]["authorizer"] == {
            "jwt": {
                "claims": {
                    "iss": "https://issuer.example/",
                    "aud": "shop",
                    "sub": "amy",
                    "exp": "4102444800",
                    "admin": "true",
                },
                "scopes": None,
            }
        }

    def test_claims_in_format_1(self, guarded):
        """Directly under requestContext.authorizer."""
        http = guarded(JWT, route=self.ROUTE, version="1.0")
        event = http.get("/posts/1", headers={"Authorization": token(**GOOD)}).json()

        assert event["requestContext"]["authorizer"]["claims"]["sub"] == "amy"

    @pytest.mark.parametrize(
        ("given", "why"),
        [
            ("nonsense", "the token is not a JSON Web Token"),
            (token(**GOOD | {"iss": "https://other.example/"}), "the token's iss"),
            (token(**GOOD | {"aud": "bank"}), "the token's aud"),
            (token(**GOOD | {"exp": 1000}), "the token expired"),
            (token(**GOOD | {"nbf": 4102444800}), "the token's nbf is in the future"),
            (token(**GOOD | {"exp": "soon"}), "the token's exp is not a number"),
        ],
    )
    def test_a_wrong_token(self, system, guarded, given, why):
        """401."""
        answer = guarded(JWT, route=self.ROUTE).get("/posts/1", headers={"Authorization": given})

        assert answer.status_code == 401
        assert why in system.dropped()[0]

    def test_expiry_is_virtual(self, system, guarded):
        """A token is outdated when the stage's clock says so."""
        http = guarded(JWT, route=self.ROUTE)
        headers = {"Authorization": token(**GOOD | {"exp": int(system.began) + 60})}

        assert http.get("/posts/1", headers=headers).status_code == 200
        system.advance(61)
        assert http.get("/posts/1", headers=headers).status_code == 401

    def test_scopes(self, guarded):
        """One of the route's scopes is needed, else 403."""
        http = guarded(JWT, route=self.ROUTE | {"AuthorizationScopes": ["write", "admin"]})

        reader, writer = (token(**GOOD, scope=scope) for scope in ("read", "read write"))
        refused = http.get("/posts/1", headers={"Authorization": reader})
        allowed = http.get("/posts/1", headers={"Authorization": writer})

        assert (refused.status_code, refused.json()) == (403, {"message": "Forbidden"})
        assert allowed.json()["requestContext"]["authorizer"]["jwt"]["scopes"] == ["write", "admin"]


class TestLambdaAuthorizers:
    """A Lambda authorizer is invoked before the integration."""

    JUDGE = """
        import json
        def handler(event, context):
            print(json.dumps(event))
            return {"isAuthorized": event["identitySource"] == ["ok"], "context": {"user": "amy", "level": 3}}
    """
    POLICY = """
        def handler(event, context):
            effect = "Allow" if event["identitySource"] == ["ok"] else "Deny"
            resource = event["routeArn"].replace("/1", "/*")
            statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
            return {"principalId": "amy", "policyDocument": {"Statement": [statement]}, "context": {"user": "amy"}}
    """
    ROUTE = {"AuthorizationType": "CUSTOM"}  # noqa: RUF012

    def settings(self, system, **more):
        uri = "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Judge.Arn}/invocations"
        return {
            "AuthorizerType": "REQUEST",
            "AuthorizerUri": {"Fn::Sub": uri},
            "AuthorizerPayloadFormatVersion": "2.0",
            "EnableSimpleResponses": True,
            "IdentitySource": ["$request.header.Authorization"],
            **more,
        }

    def test_simple_answers(self, system, guarded):
        """Yes lets the request through with the context; no is 403; without the identity nobody is asked."""
        http = guarded(self.settings(system), judge=self.JUDGE, route=self.ROUTE)
        missing = http.get("/posts/1")
        denied = http.get("/posts/1", headers={"Authorization": "bad"})
        allowed = http.get("/posts/1", headers={"Authorization": "ok"})

        assert (missing.status_code, missing.json()) == (401, {"message": "Unauthorized"})
        assert (denied.status_code, denied.json()) == (403, {"message": "Forbidden"})
        assert allowed.json()["requestContext"]["authorizer"] == {"lambda": {"user": "amy", "level": 3}}
        assert (len(system.invocations("Judge")), len(system.invocations())) == (2, 1)

    def test_what_it_is_asked(self, system, guarded):
        """Payload format 2.0 of an authorizer; the request is what caused it."""
        guarded(self.settings(system), judge=self.JUDGE, route=self.ROUTE).get(
            "/posts/1?a=1", headers={"Authorization": "ok"}
        )
        asked = system.events("Judge")[0]
        api_id = system.stage.ref("Api")

        assert (asked["version"], asked["type"], asked["routeKey"]) == ("2.0", "REQUEST", "GET /posts/{id}")
        assert asked["routeArn"] == f"arn:aws:execute-api:us-east-1:123456789012:{api_id}/$default/GET/posts/1"
        assert asked["identitySource"] == ["ok"]
        assert (asked["pathParameters"], asked["queryStringParameters"]) == ({"id": "1"}, {"a": "1"})
        assert "body" not in asked
        assert system.invocations("Judge")[0].cause == system.records("event", "Api")[0].n

    def test_policies(self, system, guarded):
        """Without simple answers, a policy must allow the route; what it denies is 403."""
        http = guarded(self.settings(system, EnableSimpleResponses=False), judge=self.POLICY, route=self.ROUTE)

        assert http.get("/posts/1", headers={"Authorization": "bad"}).status_code == 403
        allowed = http.get("/posts/1", headers={"Authorization": "ok"})
        assert allowed.json()["requestContext"]["authorizer"]["lambda"] == {"user": "amy"}

    def test_format_1(self, system, guarded):
        """Payload format 1.0 names methodArn, and its answer is a policy."""
        judge = """
            def handler(event, context):
                assert event["type"] == "REQUEST" and event["version"] == "1.0", event
                statement = {"Action": "execute-api:*", "Effect": "Allow", "Resource": [event["methodArn"]]}
                return {"principalId": "amy", "policyDocument": {"Statement": statement}}
        """
        settings = self.settings(system, AuthorizerPayloadFormatVersion="1.0")
        del settings["EnableSimpleResponses"]

        assert guarded(settings, judge=judge, route=self.ROUTE).get("/posts/1", headers={"Authorization": "x"}).ok

    def test_its_answer_is_remembered(self, system, guarded):
        """For AuthorizerResultTtlInSeconds, by the identity, in virtual time; without that it is asked anew."""
        http = guarded(self.settings(system, AuthorizerResultTtlInSeconds=60), judge=self.JUDGE, route=self.ROUTE)
        for given, status in (("ok", 200), ("ok", 200), ("bad", 403), ("bad", 403)):
            assert http.get("/posts/1", headers={"Authorization": given}).status_code == status
        assert len(system.invocations("Judge")) == 2

        system.advance(60)
        assert http.get("/posts/1", headers={"Authorization": "ok"}).status_code == 200
        assert len(system.invocations("Judge")) == 3

    def test_a_remembered_policy_is_held_against_each_route(self, system, guarded):
        """What it allows on one path it need not allow on another."""
        judge = """
            def handler(event, context):
                statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": event["routeArn"]}
                return {"principalId": "amy", "policyDocument": {"Statement": [statement]}}
        """
        settings = self.settings(system, AuthorizerResultTtlInSeconds=60, EnableSimpleResponses=False)
        http = guarded(settings, judge=judge, route=self.ROUTE)
        answers = [http.get(f"/posts/{n}", headers={"Authorization": "ok"}).status_code for n in (1, 1, 2)]

        assert answers == [200, 200, 403]
        assert len(system.invocations("Judge")) == 1

    @pytest.mark.parametrize("judge", ["def handler(event, context): raise ValueError('no')", ECHO])
    def test_a_failing_authorizer(self, system, guarded, judge):
        """An error, and an answer that is no verdict, are 500."""
        http = guarded(self.settings(system), judge=judge, route=self.ROUTE)
        answer = http.get("/posts/1", headers={"Authorization": "ok"})

        assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})
        assert system.attempts() == []


class TestIamAuthorization:
    """Requests must be signed; who signed them, and what they may do, is not looked at."""

    def test_signed_requests_only(self, guarded):
        """403 without a signature."""
        http = guarded(route={"AuthorizationType": "AWS_IAM"})
        signature = "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/execute-api/aws4_request, Signature=0"
        refused, allowed = http.get("/posts/1"), http.get("/posts/1", headers={"Authorization": signature})

        assert (refused.status_code, refused.json()) == (403, {"message": "Forbidden"})
        assert allowed.json()["requestContext"]["authorizer"]["iam"]["accessKey"] == "AKID"


class TestTraces:
    """What API Gateway answers by itself leaves a record."""

    def test_no_route(self, system, api):
        """404: the routes that there are, and the call that caused it."""
        api(ECHO, "GET /posts", "POST /posts").get("/users")

        (record,) = system.records("dropped", "Api")
        assert record.detail["reason"] == "no route for GET /users; routes: GET /posts, POST /posts"
        assert len(record.detail["ids"]) == 1
        assert record.detail["status"] == 404
        assert "no route for GET /users" in str(system.stage.settle())

    def test_a_failed_invocation_loses_its_request(self, system, api):
        """The record has the request's id."""
        api(system.FAILS).get("/")

        (event,), (record,) = system.records("event", "Api"), system.records("dropped")
        assert record.detail["ids"] == [event.detail["id"]]


@pytest.fixture
def url(system):
    """Deploys a function with a URL; returns the URL."""

    def up(code=ECHO, auth="NONE", function=None, **more):
        system.up(
            Worker=system.function(code, **(function or {})),
            Url=system.resource("Lambda::Url", AuthType=auth, TargetFunctionArn=system.att("Worker"), **more),
        )
        client = system.client("lambda")
        return client.get_function_url_config(FunctionName=system.stage.ref("Worker"))["FunctionUrl"]

    return up


class TestFunctionUrls:
    """§1.9: a function's own URL."""

    @pytest.mark.rule("1.9/event")
    def test_the_event(self, system, url):
        """Payload 2.0, and a record of the event on the function."""
        address = url()
        event = requests.post(address + "a/b?c=1", data="hello", headers={"Content-Type": "text/plain"}).json()

        assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "$default", "/a/b")
        assert (event["rawQueryString"], event["body"]) == ("c=1", "hello")
        context = event["requestContext"]
        host = address.removeprefix("https://").rstrip("/")
        assert (context["domainName"], context["domainPrefix"]) == (host, host.partition(".")[0])
        assert (context["apiId"], context["accountId"], context["stage"]) == (
            host.partition(".")[0],
            "anonymous",
            "$default",
        )
        (record,) = system.records("event", "Worker")
        assert system.invocations()[0].cause == record.n
        assert record.detail["id"] == context["requestId"]

    @pytest.mark.rule("1.9/values-are-200")
    @pytest.mark.rule("1.9/strings-raw")
    @pytest.mark.rule("1.9/response-inference")
    @pytest.mark.parametrize(("answer", "text"), [("'hi'", "hi"), ("{'a': 1}", '{"a":1}'), ("[1]", "[1]"), ("3", "3")])
    def test_inferred_answers(self, url, answer, text):
        """§1.9: any value is the body of a 200."""
        found = requests.get(url(f"def handler(event, context): return {answer}"))

        assert (found.status_code, found.text, found.headers["content-type"]) == (200, text, "application/json")

    @pytest.mark.rule("1.9/response-inference")
    def test_an_explicit_answer(self, url):
        """As in format 2.0 of an HTTP API."""
        code = "def handler(event, context): return {'statusCode': 201, 'body': 'x', 'headers': {'X-A': 'b'}}"
        found = requests.get(url(code))

        assert (found.status_code, found.text, found.headers["x-a"]) == (201, "x", "b")

    @pytest.mark.rule("1.9/exception")
    def test_an_exception(self, system, url):
        """§1.9: 502 with plain text."""
        found = requests.get(url(system.FAILS))

        assert (found.status_code, found.text) == (502, "Internal Server Error")
        assert "json" not in found.headers.get("content-type", "")
        (event,), (lost,) = system.records("event", "Worker"), system.records("dropped", "Worker")
        assert lost.detail["ids"] == [event.detail["id"]]

    def test_it_waits_as_long_as_the_function(self, system, url):
        """There is no limit of 30 s."""
        code = "import time\ndef handler(event, context): time.sleep(100)"

        assert requests.get(url(code, function={"Timeout": 120})).status_code == 200
        assert system.elapsed() == 100

    def test_a_throttled_function(self, url):
        """429."""
        assert requests.get(url(function={"ReservedConcurrentExecutions": 0})).status_code == 429

    def test_iam(self, system, url):
        """With AWS_IAM an unsigned request is refused."""
        assert requests.get(url(auth="AWS_IAM")).status_code == 403
        assert system.attempts() == []

    def test_cors(self, url):
        """The URL's own CORS settings."""
        found = requests.get(url(Cors={"AllowOrigins": ["*"]}), headers={"Origin": "https://a.example"})

        assert found.headers["access-control-allow-origin"] == "*"

    def test_one_of_an_alias(self, system):
        """It runs the alias's version, and its record is the function's."""
        system.up(
            Worker=system.function("def handler(event, context): return context.function_version"),
            One=system.resource("Lambda::Version", FunctionName=system.ref("Worker")),
            Live=system.resource(
                "Lambda::Alias",
                Name="live",
                FunctionName=system.ref("Worker"),
                FunctionVersion=system.att("One", "Version"),
            ),
            Url=system.resource(
                "Lambda::Url",
                AuthType="NONE",
                TargetFunctionArn=system.ref("Worker"),
                Qualifier="live",
                Cors={"AllowOrigins": ["*"]},
            )
            | {"DependsOn": "Live"},
        )
        client = system.client("lambda")
        config = client.get_function_url_config(FunctionName=system.stage.ref("Worker"), Qualifier="live")

        assert requests.get(config["FunctionUrl"]).text == "1"
        assert len(system.records("event", "Worker")) == 1

    def test_one_that_was_deleted(self, system, url):
        """It answers no more."""
        address = url()
        system.client("lambda").delete_function_url_config(FunctionName=system.stage.ref("Worker"))

        assert requests.get(address).status_code == 404
