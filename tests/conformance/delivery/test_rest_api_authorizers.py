"""aws-semantics §8.1: who may call a REST API: Lambda authorizers, user pools, IAM, and what the function learns of the caller."""

from __future__ import annotations

import base64
import json

import pytest

from stagefright.errors import StagefrightWarning

ECHO = """
    import json
    def handler(event, context):
        return {"statusCode": 200, "body": json.dumps(event)}
"""
TOKEN_JUDGE = """
    def handler(event, context):
        token = event["authorizationToken"]
        if token == "unauthorized":
            raise Exception("Unauthorized")
        if token == "broken":
            raise ValueError("no")
        if token == "malformed":
            return {"principalId": "amy"}
        if token == "nested":
            return {"principalId": "amy", "policyDocument": policy("Allow", "*"), "context": {"a": {"b": 1}}}
        effect = {"allow": "Allow", "deny": "Deny"}.get(token)
        resource = event["methodArn"] if effect else "arn:aws:execute-api:*:*:other/*"
        context = {"user": "amy", "level": 3, "admin": True, "none": None}
        return {"principalId": "amy", "policyDocument": policy(effect or "Allow", resource), "context": context}

    def policy(effect, resource):
        statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
        return {"Version": "2012-10-17", "Statement": [statement]}
"""
OPEN_JUDGE = """
    def handler(event, context):
        statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}
        return {
            "principalId": "amy", "policyDocument": {"Statement": [statement]}, "usageIdentifierKey": "k" * 20,
        }
"""


def invocations_of(function):
    path = "lambda:path/2015-03-31/functions/${" + function + ".Arn}/invocations"
    return {"Fn::Sub": "arn:aws:apigateway:${AWS::Region}:" + path}


@pytest.fixture
def guarded(system, rest):
    """Deploys a REST API whose methods `GET /a` and `POST /a/{id}` ask `Judge`; returns its client."""

    def up(kind="token", judge=TOKEN_JUDGE, *, scheme=None, scopes=(), document=None, resources=None, **authorizer):
        if kind in ("token", "request"):
            authorizer = {"authorizerUri": invocations_of("Judge"), **authorizer}
        guard = {
            "type": "apiKey",
            "name": "Authorization",
            "in": "header",
            "x-amazon-apigateway-authtype": "custom",
            "x-amazon-apigateway-authorizer": {"type": kind, **authorizer},
            **(scheme or {}),
        }
        guard = {name: value for name, value in guard.items() if value is not None}
        return rest(
            ECHO,
            "GET /a",
            "POST /a/{id}",
            method={"security": [{"guard": list(scopes)}]},
            document={"components": {"securitySchemes": {"guard": guard}}, **(document or {})},
            resources={"Judge": system.function(judge), **(resources or {})},
        )

    return up


class TestTokenAuthorizers:
    """A token goes to a function, which answers with a policy."""

    def test_what_it_is_asked(self, system, guarded):
        """The token and the method, by ARN; the request is what caused it."""
        guarded().post("/a/1", headers={"Authorization": "allow"})
        api_id = system.stage.ref("Api")

        assert system.events("Judge") == [
            {
                "type": "TOKEN",
                "methodArn": f"arn:aws:execute-api:us-east-1:123456789012:{api_id}/prod/POST/a/1",
                "authorizationToken": "allow",
            }
        ]
        assert system.invocations("Judge")[0].cause == system.records("event", "Api")[0].n

    @pytest.mark.rule("8.1/context-authorizer")
    def test_what_the_function_learns(self, guarded):
        """Its context as text, and whom it took the caller for."""
        event = guarded().get("/a", headers={"Authorization": "allow"}).json()

        assert event["requestContext"]["authorizer"] == {
            "principalId": "amy",
            "user": "amy",
            "level": "3",
            "admin": "true",
            "none": None,
            "integrationLatency": 0,
        }

    @pytest.mark.parametrize(
        ("token", "status", "body", "asked"),
        [
            (None, 401, '{"message":"Unauthorized"}', 0),
            ("unauthorized", 401, '{"message":"Unauthorized"}', 1),
            ("deny", 403, '{"Message":"User is not authorized to access this resource with an explicit deny"}', 1),
            ("other", 403, '{"Message":"User is not authorized to access this resource"}', 1),
            ("broken", 500, '{"message":null}', 1),
            ("malformed", 500, '{"message":null}', 1),
            ("nested", 500, '{"message":null}', 1),
        ],
    )
    def test_refusals(self, system, guarded, token, status, body, asked):
        """Each with AWS's own text; the function is never reached, and the journal says why."""
        answer = guarded().get("/a", headers={"Authorization": token})

        assert (answer.status_code, answer.text) == (status, body)
        assert (len(system.invocations("Judge")), system.attempts()) == (asked, [])
        assert system.dropped()[0].startswith("guard: ")

    def test_a_validation_expression(self, system, guarded):
        """A token that does not look like one is refused unasked."""
        http = guarded(identityValidationExpression="Bearer .+")

        assert http.get("/a", headers={"Authorization": "allow"}).status_code == 401
        assert system.invocations("Judge") == []

    def test_its_verdict_is_remembered(self, system, guarded):
        """For 300 s by default, by the token, in virtual time; the policy is held against each method anew."""
        http = guarded()
        for _ in range(2):
            assert http.get("/a", headers={"Authorization": "allow"}).status_code == 200
        # The policy allows GET /a only.
        assert http.post("/a/1", headers={"Authorization": "allow"}).status_code == 403
        assert http.get("/a", headers={"Authorization": "deny"}).status_code == 403
        assert len(system.invocations("Judge")) == 2

        system.advance(300)
        assert http.get("/a", headers={"Authorization": "allow"}).status_code == 200
        assert len(system.invocations("Judge")) == 3

    def test_a_reset_forgets_verdicts(self, system, guarded):
        """Each test asks for itself."""
        http = guarded()
        http.get("/a", headers={"Authorization": "allow"})
        system.stage.reset()
        http.get("/a", headers={"Authorization": "allow"})

        assert len(system.invocations("Judge")) == 1

    def test_it_need_not_be_remembered(self, system, guarded):
        """authorizerResultTtlInSeconds: 0."""
        http = guarded(authorizerResultTtlInSeconds=0)
        for _ in range(2):
            http.get("/a", headers={"Authorization": "allow"})

        assert len(system.invocations("Judge")) == 2

    def test_one_that_hangs(self, system, guarded):
        """500 after 29 s."""
        system_judge = "import time\ndef handler(event, context): time.sleep(60)"
        http = guarded(judge=system_judge)
        system.client("lambda").update_function_configuration(FunctionName=system.stage.ref("Judge"), Timeout=90)

        assert http.get("/a", headers={"Authorization": "x"}).status_code == 500
        assert system.elapsed() == 29


class TestRequestAuthorizers:
    """The whole request goes to a function."""

    SOURCES = "method.request.header.X-User, method.request.querystring.q, context.httpMethod"

    def test_what_it_is_asked(self, system, guarded):
        """The proxy event without its body."""
        http = guarded("request", OPEN_JUDGE, identitySource=self.SOURCES)
        http.post("/a/1?q=2", data="secret", headers={"X-User": "amy"})
        (asked,) = system.events("Judge")

        assert (asked["type"], asked["resource"], asked["path"]) == ("REQUEST", "/a/{id}", "/a/1")
        assert asked["methodArn"].endswith("/prod/POST/a/1")
        assert (asked["pathParameters"], asked["queryStringParameters"]) == ({"id": "1"}, {"q": "2"})
        assert asked["headers"]["X-User"] == "amy"
        assert asked["requestContext"]["resourcePath"] == "/a/{id}"
        assert not {"body", "isBase64Encoded"} & set(asked)

    @pytest.mark.parametrize("path", ["/a", "/a?q=1"])
    def test_a_missing_source(self, system, guarded, path):
        """401, and nobody is asked."""
        assert guarded("request", OPEN_JUDGE, identitySource=self.SOURCES).get(path).status_code == 401
        assert system.invocations("Judge") == []

    def test_the_identity_is_the_key_of_its_memory(self, system, guarded):
        """Other values, another question."""
        http = guarded("request", OPEN_JUDGE, identitySource=self.SOURCES)
        for user in ("amy", "amy", "bob"):
            assert http.get("/a?q=1", headers={"X-User": user}).status_code == 200

        assert len(system.invocations("Judge")) == 2

    def test_the_key_of_its_answer(self, system, guarded):
        """usageIdentifierKey is the API key, where the API takes keys from authorizers."""
        http = guarded(
            "request",
            OPEN_JUDGE,
            identitySource="method.request.header.X-User",
            document={"x-amazon-apigateway-api-key-source": "AUTHORIZER"},
        )
        client, api_id = system.client("apigateway"), system.stage.ref("Api")
        resources = {one["path"]: one["id"] for one in client.get_resources(restApiId=api_id)["items"]}
        method = {"restApiId": api_id, "resourceId": resources["/a"], "httpMethod": "GET"}
        given = client.get_method(**method)
        client.put_method(**method, authorizationType="CUSTOM", authorizerId=given["authorizerId"], apiKeyRequired=True)
        integration = given["methodIntegration"]
        client.put_integration(**method, type="AWS_PROXY", uri=integration["uri"], integrationHttpMethod="POST")
        client.create_deployment(restApiId=api_id, stageName="prod")
        assert http.get("/a", headers={"X-User": "amy"}).status_code == 403

        plan = client.create_usage_plan(name="plan", apiStages=[{"apiId": api_id, "stage": "prod"}])["id"]
        made = client.create_api_key(name="key", value="k" * 20, enabled=True)["id"]
        client.create_usage_plan_key(usagePlanId=plan, keyId=made, keyType="API_KEY")
        assert http.get("/a", headers={"X-User": "amy"}).status_code == 200


def token(**claims):
    """A JSON Web Token whose signature nobody can check."""

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256'})}.{part(claims)}.c2ln"


POOL = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_abc"
GOOD = {"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc", "sub": "amy", "exp": 4102444800}


class TestUserPools:
    """A user pool's token is read; its signature is not checked, as no key is at hand."""

    def pool(self, guarded, **more):
        return guarded("cognito_user_pools", providerARNs=[POOL], **more)

    @pytest.mark.rule("8.1/context-authorizer")
    def test_claims_reach_the_function(self, guarded):
        """As text, under requestContext.authorizer."""
        http = self.pool(guarded)
        given = token(**GOOD, token_use="id", email_verified=True)
        event = http.get("/a", headers={"Authorization": given}).json()

        assert event["requestContext"]["authorizer"] == {
            "claims": {**GOOD, "exp": "4102444800", "token_use": "id", "email_verified": "true"}
        }

    @pytest.mark.parametrize(
        ("given", "body", "why"),
        [
            (None, '{"message":"Unauthorized"}', "the identity source"),
            ("x", '{"message":"Unauthorized"}', "the token is not a JSON Web Token"),
            (token(**GOOD | {"iss": "https://other"}), '{"message":"Unauthorized"}', "the token's iss is"),
            (token(**GOOD | {"exp": 1000}), '{"message":"The incoming token has expired"}', "the token expired"),
            (token(**GOOD, token_use="access"), '{"message":"Unauthorized"}', "the token's token_use is 'access'"),
        ],
    )
    def test_refusals(self, system, guarded, given, body, why):
        """401."""
        answer = self.pool(guarded).get("/a", headers={"Authorization": given})

        assert (answer.status_code, answer.text) == (401, body)
        assert why in system.dropped()[0]

    def test_scopes(self, guarded):
        """A method with scopes wants an access token that has one of them."""
        http = self.pool(guarded, scopes=["shop/write"])
        reader = token(**GOOD, token_use="access", scope="shop/read")
        writer = token(**GOOD, token_use="access", scope="shop/read shop/write")

        assert http.get("/a", headers={"Authorization": reader}).status_code == 403
        assert http.get("/a", headers={"Authorization": writer}).status_code == 200


class TestIamAuthorization:
    """Requests must be signed; who signed them, and what they may do, is not looked at."""

    def test_signed_requests_only(self, system, guarded):
        """403 without a signature; with one, the function learns whose."""
        http = guarded(scheme={"x-amazon-apigateway-authtype": "awsSigv4", "x-amazon-apigateway-authorizer": None})
        signature = "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/execute-api/aws4_request, Signature=0"
        refused, allowed = http.get("/a"), http.get("/a", headers={"Authorization": signature})

        assert (refused.status_code, refused.text) == (403, '{"message":"Missing Authentication Token"}')
        identity = allowed.json()["requestContext"]["identity"]
        assert (identity["accessKey"], identity["accountId"]) == ("AKID", "123456789012")


class TestUnknownGuards:
    """A scheme behind which there is nothing asks nobody."""

    def test_it_is_named(self, system, guarded):
        """A warning at deployment, as for HTTP APIs."""
        with pytest.warns(StagefrightWarning, match="are let through without asking guard"):
            http = guarded(scheme={"x-amazon-apigateway-authorizer": None, "name": "X-Other"})
        assert http.get("/a").status_code == 200
