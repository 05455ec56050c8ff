"""AWS::Cognito::*: user pools, which moto keeps. No mail is sent, no trigger is run, and nobody signs in through a web page."""

from __future__ import annotations

from stagefright.deployment.coercion import parameters
from stagefright.deployment.resource import Made, Maker, Properties, makes


@makes("AWS::Cognito::UserPool")
def user_pool(maker: Maker, properties: Properties) -> Made:
    cognito = maker.client("cognito-idp")
    given = {**properties, "PoolName": properties.get("UserPoolName") or maker.name(length_max=128)}
    pool = cognito.create_user_pool(**parameters(cognito, "CreateUserPool", given))["UserPool"]
    provider = f"cognito-idp.{maker.world.region}.amazonaws.com/{pool['Id']}"
    attributes = {
        "Arn": pool["Arn"],
        "UserPoolId": pool["Id"],
        "ProviderName": provider,
        "ProviderURL": f"https://{provider}",
    }
    return Made(pool["Id"], attributes, (pool["Id"], pool["Arn"]))


@makes("AWS::Cognito::UserPoolClient")
def user_pool_client(maker: Maker, properties: Properties) -> Made:
    cognito = maker.client("cognito-idp")
    given = {**properties, "ClientName": properties.get("ClientName") or maker.name(length_max=128)}
    client = cognito.create_user_pool_client(**parameters(cognito, "CreateUserPoolClient", given))["UserPoolClient"]
    attributes = {"ClientId": client["ClientId"], "Name": client["ClientName"]}
    secret = {"ClientSecret": client["ClientSecret"]} if "ClientSecret" in client else {}
    return Made(client["ClientId"], {**attributes, **secret}, (client["ClientId"],))


@makes("AWS::Cognito::UserPoolGroup")
def user_pool_group(maker: Maker, properties: Properties) -> Made:
    cognito = maker.client("cognito-idp")
    given = {**properties, "GroupName": properties.get("GroupName") or maker.name(length_max=128)}
    cognito.create_group(**parameters(cognito, "CreateGroup", given))
    return Made(str(given["GroupName"]))
