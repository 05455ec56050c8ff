import os

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import BadRequestError, NotFoundError
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit

logger = Logger()
metrics = Metrics()
app = APIGatewayHttpResolver()
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])


@app.post("/todos")
def create():
    todo = app.current_event.json_body
    if "title" not in todo:
        raise BadRequestError("a todo has a title")
    item = {"id": todo["title"].lower().replace(" ", "-"), "title": todo["title"]}
    table.put_item(Item=item)
    metrics.add_metric(name="TodoCreated", unit=MetricUnit.Count, value=1)
    logger.info("created", extra={"todo": item["id"]})
    return item, 201


@app.get("/todos/<todo_id>")
def read(todo_id):
    item = table.get_item(Key={"id": todo_id}).get("Item")
    if item is None:
        raise NotFoundError(f"no todo {todo_id}")
    return item


@app.get("/todos")
def search():
    prefix = app.current_event.get_query_string_value("prefix", "")
    items = [item for item in table.scan()["Items"] if item["id"].startswith(prefix)]
    return sorted(items, key=lambda item: item["id"])


@app.delete("/todos/<todo_id>")
def delete(todo_id):
    table.delete_item(Key={"id": todo_id})
    return Response(status_code=204, content_type=content_types.APPLICATION_JSON, body="")


@app.exception_handler(KeyError)
def handle_key_error(error):
    return Response(status_code=422, content_type=content_types.TEXT_PLAIN, body=f"missing {error}")


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event, context):
    return app.resolve(event, context)
