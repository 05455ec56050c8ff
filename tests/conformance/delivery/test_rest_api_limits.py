"""aws-semantics §8.4: what a REST API says by itself: timeouts, errors, throttles, keys, sizes, gateway responses."""

from __future__ import annotations

import pytest
import requests
from botocore.exceptions import ClientError

from stagefright.errors import TemplateError
from stagefright.services.apis import throttling

SLOW = "import time\ndef handler(event, context): time.sleep(40); print('done')"
FINE = "def handler(event, context): return {'statusCode': 200}"
INTERNAL = '{"message": "Internal server error"}'
REGIONAL = {"EndpointConfiguration": {"Types": ["REGIONAL"]}}


class TestTimeouts:
    """§8.4: 29 s, or what the integration says."""

    @pytest.mark.rule("8.4/rest-timeout-default")
    @pytest.mark.rule("8.4/rest-on-timeout")
    @pytest.mark.rule("8.4/function-runs-on")
    @pytest.mark.rule("8.4/rest-no-retries")
    def test_29_seconds(self, system, rest):
        """§8.4: 504; the function runs on to its own end, once."""
        answer = rest(SLOW, function={"Timeout": 60}).get("/")
        assert (answer.status_code, answer.text) == (504, '{"message": "Endpoint request timed out"}')
        assert system.elapsed() == 29

        system.settle()
        assert system.elapsed() == 40
        assert [record.detail["line"].strip() for record in system.records("log")] == ["done"]
        assert system.attempts() == [0]

    @pytest.mark.rule("8.4/function-runs-on")
    def test_the_functions_own_timeout_still_counts(self, system, rest):
        """§8.4: what runs on is stopped by Lambda."""
        rest(SLOW, function={"Timeout": 35}).get("/")
        system.settle()

        assert system.elapsed() == 35
        assert system.records("outcome", "Worker")[0].detail["error_type"] == "Sandbox.Timedout"

    @pytest.mark.rule("8.4/rest-timeout-range")
    def test_a_shorter_one(self, system, rest):
        """§8.4: TimeoutInMillis of the integration."""
        http = rest(SLOW, function={"Timeout": 60}, integration={"timeoutInMillis": 50})

        assert http.get("/").status_code == 504
        assert system.elapsed() == 0.05

    @pytest.mark.rule("8.4/rest-timeout-range")
    @pytest.mark.parametrize("timeout_ms", [49, 29_001])
    def test_out_of_range(self, rest, timeout_ms):
        """§8.4: refused when it is set."""
        with pytest.raises(TemplateError, match="Timeout should be between 50 ms and 29000 ms"):
            rest(integration={"timeoutInMillis": timeout_ms})

    @pytest.mark.rule("8.4/rest-timeout-range")
    def test_out_of_range_by_api(self, system, rest):
        """§8.4: the API refuses it too."""
        rest(FINE, "GET /a")
        client, api_id = system.client("apigateway"), system.stage.ref("Api")
        (found,) = (one["id"] for one in client.get_resources(restApiId=api_id)["items"] if one["path"] == "/a")
        with pytest.raises(ClientError, match="Timeout should be between 50 ms and 29000 ms"):
            client.put_integration(
                restApiId=api_id, resourceId=found, httpMethod="GET", type="MOCK", timeoutInMillis=10
            )

    @pytest.mark.rule("8.4/rest-timeout-raised")
    def test_a_longer_one(self, system, rest):
        """§8.4: for Regional APIs."""
        http = rest(SLOW, function={"Timeout": 60}, integration={"timeoutInMillis": 35_000}, **REGIONAL)

        assert http.get("/").status_code == 504
        assert system.elapsed() == 35


class TestErrors:
    """§8.4: what goes wrong behind the API."""

    @pytest.mark.rule("8.4/rest-function-error")
    @pytest.mark.rule("8.4/rest-no-retries")
    def test_a_function_error(self, system, rest):
        """§8.4: 502, and one invocation."""
        answer = rest(system.FAILS).get("/")
        system.settle()

        assert (answer.status_code, answer.text) == (502, INTERNAL)
        assert answer.headers["Content-Type"] == "application/json"
        assert system.attempts() == [0]
        assert system.dropped() == ["ValueError: no"]

    @pytest.mark.rule("8.4/rest-function-error")
    def test_the_functions_own_timeout(self, system, rest):
        """§8.4: a function that times out is a function error."""
        assert rest(SLOW, function={"Timeout": 2}).get("/").status_code == 502
        assert system.elapsed() == 2

    @pytest.mark.rule("8.4/rest-lambda-refusal")
    def test_a_throttled_function(self, rest):
        """§8.4: 500, not 429."""
        answer = rest(function={"ReservedConcurrentExecutions": 0}).get("/")

        assert (answer.status_code, answer.text) == (500, INTERNAL)

    @pytest.mark.rule("8.4/rest-lambda-refusal")
    def test_a_deleted_function(self, system, rest):
        """§8.4: 500."""
        http = rest()
        system.client("lambda").delete_function(FunctionName=system.stage.ref("Worker"))

        assert http.get("/").status_code == 500


class TestSizes:
    """§8.4: how much a request may carry."""

    @pytest.mark.rule("8.4/rest-payload")
    def test_ten_megabytes(self, system, rest):
        """§8.4: 413 above 10 MB, which only what has no function behind it ever meets."""
        mock = {"type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'}}
        mock["responses"] = {"default": {"statusCode": "200"}}
        http = rest(FINE, integration=mock)
        most = 10 * 1024 * 1024

        assert http.post("/", data=b"x" * most, headers={"Content-Type": "application/json"}).status_code == 200
        answer = http.post("/", data=b"x" * (most + 1), headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.text) == (413, '{"message":"Request Too Long"}')

    @pytest.mark.rule("8.4/rest-lambda-payload")
    def test_six_megabytes(self, system, rest):
        """§8.4: Lambda's limit binds first, and counts the whole event."""
        answer = rest(FINE).post("/", data=b"x" * 6 * 1024 * 1024)

        assert answer.status_code == 413
        assert system.attempts() == []

    @pytest.mark.rule("8.4/rest-headers")
    def test_headers(self, rest):
        """§8.4: 20,480 bytes in all."""
        http = rest(FINE)

        assert http.get("/", headers={"X-Long": "x" * 20_000}).status_code == 200
        assert http.get("/", headers={"X-Long": "x" * 20_480}).status_code == 431


class TestThrottles:
    """§8.4: token buckets in virtual time."""

    LIMITS = {"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": 2, "ThrottlingBurstLimit": 3}  # noqa: RUF012

    @pytest.mark.rule("8.4/rest-throttle")
    def test_a_stages_limit(self, system, rest):
        """§8.4: 3 at once, then 2 a second."""
        http = rest(FINE, stage={"MethodSettings": [self.LIMITS]})
        assert [http.get("/").status_code for _ in range(4)] == [200, 200, 200, 429]

        system.advance(1)
        assert [http.get("/").status_code for _ in range(3)] == [200, 200, 429]
        answer = http.get("/")
        assert answer.text == '{"message":"Too Many Requests"}'
        assert answer.headers["x-amzn-ErrorType"] == "TooManyRequestsException"
        assert system.dropped()[-1] == "ANY / has more requests than its limits"

    @pytest.mark.rule("8.4/rest-throttle")
    def test_a_methods_own_limit(self, system, rest):
        """§8.4: it goes before that of all methods."""
        own = {"ResourcePath": "/a", "HttpMethod": "GET", "ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 1}
        http = rest(FINE, "GET /a", "GET /b", stage={"MethodSettings": [self.LIMITS, own]})

        assert [http.get("/a").status_code for _ in range(2)] == [200, 429]
        assert [http.get("/b").status_code for _ in range(4)] == [200, 200, 200, 429]

    @pytest.mark.rule("8.4/rest-account-throttle")
    def test_the_accounts_limit(self, system, rest, monkeypatch):
        """§8.4: 10,000 a second and 5,000 at once, for all APIs together."""
        assert (throttling.ACCOUNT_RATE_PER_S, throttling.ACCOUNT_BURST) == (10_000, 5_000)
        monkeypatch.setattr(throttling, "ACCOUNT_BURST", 2)
        http = rest(FINE, "GET /a", "GET /b")

        assert [http.get(path).status_code for path in ("/a", "/b", "/a")] == [200, 200, 429]
        system.advance(0.0001)
        assert http.get("/b").status_code == 200

    def test_other_settings_do_not_throttle(self, system, rest):
        """A stage that only sets its log level has the account's limits."""
        rest(FINE, stage={"MethodSettings": [{"ResourcePath": "/*", "HttpMethod": "*", "LoggingLevel": "INFO"}]})
        api = system.client("apigateway").get_stage(restApiId=system.stage.ref("Api"), stageName="prod")

        assert api["methodSettings"]["*/*"]["throttlingBurstLimit"] == 5_000


@pytest.fixture
def keyed(system, rest):
    """Deploys an API that needs a key, with a usage plan; returns its client, which sends the key."""

    def up(*, plan=None, of_stage=None, key=None, source=None, document=None, **more):
        http = rest(
            FINE,
            "GET /a",
            "GET /b",
            method={"security": [{"key": []}]},
            document={
                "components": {"securitySchemes": {"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}},
                **(document or {}),
            },
            resources={
                "Key": system.resource("ApiGateway::ApiKey", **{"Enabled": True, "Value": "k" * 20, **(key or {})}),
                "Plan": system.resource(
                    "ApiGateway::UsagePlan",
                    ApiStages=[{"ApiId": system.ref("Api"), "Stage": system.ref("Stage"), **(of_stage or {})}],
                    **(plan or {}),
                ),
                "PlanKey": system.resource(
                    "ApiGateway::UsagePlanKey",
                    KeyId=system.ref("Key"),
                    KeyType="API_KEY",
                    UsagePlanId=system.ref("Plan"),
                ),
            },
            **more,
        )
        http.headers["x-api-key"] = "k" * 20
        return http

    return up


class TestUsagePlans:
    """API keys, and what their plan lets them do."""

    @pytest.mark.parametrize("given", [None, "wrong"])
    def test_a_wrong_key(self, system, keyed, given):
        """403 Forbidden, and nothing is invoked."""
        answer = keyed().get("/a", headers={"x-api-key": given})

        assert (answer.status_code, answer.text) == (403, '{"message":"Forbidden"}')
        assert system.attempts() == []

    def test_a_key_that_is_not_enabled(self, system, keyed):
        """403, and the journal says why."""
        assert keyed(key={"Enabled": False}).get("/a").status_code == 403
        assert system.dropped() == ["the API key Key is not enabled"]

    def test_a_key_of_another_stage(self, system, keyed):
        """A key opens only the stages of its plan."""
        http = keyed()
        client, api_id = system.client("apigateway"), system.stage.ref("Api")
        client.create_stage(restApiId=api_id, stageName="test", deploymentId=system.stage.ref("Deployed"))
        url = f"https://{api_id}.execute-api.us-east-1.amazonaws.com/test/a"

        assert requests.get(url, headers={"x-api-key": "k" * 20}).status_code == 403
        assert http.get("/a").status_code == 200
        assert system.dropped() == ["the API key Key is in no usage plan of the stage test"]

    def test_the_function_learns_of_the_key(self, system, keyed):
        """In requestContext.identity."""
        keyed().get("/a")
        identity = system.events()[0]["requestContext"]["identity"]

        assert (identity["apiKey"], identity["apiKeyId"]) == ("k" * 20, system.stage.ref("Key"))

    @pytest.mark.rule("8.4/rest-throttle")
    def test_the_plans_throttle(self, system, keyed):
        """§8.4: over all methods, for each key."""
        http = keyed(plan={"Throttle": {"RateLimit": 1, "BurstLimit": 2}})
        assert [http.get(path).status_code for path in ("/a", "/b", "/a")] == [200, 200, 429]

        system.advance(1)
        assert http.get("/a").status_code == 200

    @pytest.mark.rule("8.4/rest-throttle")
    def test_a_methods_throttle_in_a_plan(self, keyed):
        """§8.4: for one method of the stage."""
        http = keyed(of_stage={"Throttle": {"/a/GET": {"RateLimit": 1, "BurstLimit": 1}}})

        assert [http.get(path).status_code for path in ("/a", "/a", "/b", "/b")] == [200, 429, 200, 200]

    @pytest.mark.rule("8.4/rest-quota")
    def test_the_quota(self, system, keyed):
        """§8.4: 429 until the period is over."""
        http = keyed(plan={"Quota": {"Limit": 3, "Offset": 1, "Period": "DAY"}})
        answers = [http.get("/a") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].text == '{"message":"Limit Exceeded"}'
        assert answers[2].headers["x-amzn-ErrorType"] == "LimitExceededException"

        system.advance(24 * 3600)
        assert [http.get("/a").status_code for _ in range(4)] == [200, 200, 200, 429]

    def test_a_reset_gives_the_quota_back(self, system, keyed):
        """Each test begins with what the deployment left."""
        http = keyed(plan={"Quota": {"Limit": 1, "Period": "MONTH"}})
        assert [http.get("/a").status_code for _ in range(2)] == [200, 429]

        system.stage.reset()
        assert http.get("/a").status_code == 200


class TestGatewayResponses:
    """What API Gateway says is the API's to word."""

    def test_one_of_its_own(self, system, rest):
        """Status, headers from the request, and a template with the error."""
        http = rest(
            FINE,
            "GET /a",
            document={
                "x-amazon-apigateway-gateway-responses": {
                    "MISSING_AUTHENTICATION_TOKEN": {
                        "statusCode": 404,
                        "responseParameters": {
                            "gatewayresponse.header.X-Static": "'fixed'",
                            "gatewayresponse.header.Access-Control-Allow-Origin": "method.request.header.Origin",
                            "gatewayresponse.header.X-Stage": "context.stage",
                        },
                        "responseTemplates": {
                            "application/problem+json": '{"error": $context.error.messageString, "kind": "$context.error.responseType"}'
                        },
                    }
                }
            },
        )
        answer = http.get("/b", headers={"Origin": "https://shop.example"})

        assert answer.status_code == 404
        assert answer.json() == {"error": "Missing Authentication Token", "kind": "MISSING_AUTHENTICATION_TOKEN"}
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert (answer.headers["X-Static"], answer.headers["X-Stage"]) == ("fixed", "prod")

    def test_defaults(self, system, rest):
        """DEFAULT_4XX and DEFAULT_5XX are for all that have none of their own; bodies stay AWS's."""
        http = rest(
            system.FAILS,
            "GET /a",
            resources={
                kind: system.resource(
                    "ApiGateway::GatewayResponse",
                    RestApiId=system.ref("Api"),
                    ResponseType=name,
                    ResponseParameters={"gatewayresponse.header.X-Kind": f"'{kind}'"},
                )
                for kind, name in (("Four", "DEFAULT_4XX"), ("Five", "DEFAULT_5XX"))
            },
        )
        # The deployment came before the gateway responses, which it does not have; a new one has them.
        assert "X-Kind" not in http.get("/b").headers
        system.client("apigateway").create_deployment(restApiId=system.stage.ref("Api"), stageName="prod")

        unknown, failed = http.get("/b"), http.get("/a")
        assert (unknown.status_code, unknown.headers["X-Kind"]) == (403, "Four")
        assert (failed.status_code, failed.headers["X-Kind"], failed.text) == (502, "Five", INTERNAL)

    def test_a_template_with_logic(self, system, rest):
        """AWS's own body instead, and a warning that names what is not served."""
        templates = {"application/json": "#if($context.error.message)x#end"}
        own = {"x-amazon-apigateway-gateway-responses": {"DEFAULT_4XX": {"responseTemplates": templates}}}
        answer = rest(FINE, "GET /a", document=own).get("/b")

        assert answer.text == '{"message":"Missing Authentication Token"}'
        (warning,) = system.records("warning", "Api")
        assert "has #if, which the local stage does not serve" in warning.detail["message"]
