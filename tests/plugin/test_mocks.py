"""Libraries that users mock HTTP with, beside a stage."""

from __future__ import annotations

TEMPLATE = """
Resources:
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: a, ProtocolType: HTTP, Target: !GetAtt Shop.Arn}}
  Shop:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Role: arn:aws:iam::123456789012:role/r
      Code:
        ZipFile: |
          import requests
          def handler(event, context):
              return {"statusCode": 200, "body": requests.get("https://rates.example.com/chf").text}
"""


def test_responses_answers_for_other_hosts_and_leaves_the_stages_api_alone(pytester):
    """A handler's call to the outside is mocked, and the test's own call to its API goes through."""
    pytester.makefile(".yaml", template=TEMPLATE)
    pytester.makepyfile(
        """
        import responses

        @responses.activate
        def test_it(stage):
            responses.get("https://rates.example.com/chf", body="0.93")
            assert stage.http.get("/").text == "0.93"

        def test_with_a_context_manager(stage):
            with responses.RequestsMock() as mock:
                mock.get("https://rates.example.com/chf", body="0.94")
                assert stage.http.get("/").text == "0.94"
        """
    )

    result = pytester.runpytest_subprocess("--stage=mine")

    result.assert_outcomes(passed=2)
