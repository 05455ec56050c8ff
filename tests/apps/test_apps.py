"""
A stranger's app works.

Each directory beside this file is a small application in a shape that people really use, unaware of Stagefright. Each
test stands one up from its template and does what its users would do.
"""

from __future__ import annotations

import json

import pytest

from stagefright.errors import TemplateError, UnknownExport


def test_functions_in_nested_directories(up):
    """Each function is packaged from its own CodeUri, and the implicit HTTP API routes to both."""
    stage = up("nested_src")

    created = stage.http.post("/orders", json={"id": "o-1", "amount": 5})

    assert (created.status_code, created.json()) == (201, {"id": "o-1"})
    assert stage.http.get("/orders/o-1").json() == {"id": "o-1", "amount": 5}
    assert stage.http.get("/orders/o-2").status_code == 404
    assert stage.http.get(stage.outputs["Url"] + "orders/o-1").status_code == 200
    assert stage.http.post("/orders", json={}).status_code == 500


def test_globals_and_layers(up):
    """Globals are merged into each function: maps by key, lists one after the other, the rest overridden."""
    stage = up("globals_and_layers", parameters={"LogLevel": "DEBUG"})

    plain, special = (stage.invoke(name, {"text": "hi"}).payload for name in ("Plain", "Special"))

    assert plain == {
        "text": "HI!",
        "price": None,
        "env": {"LOG_LEVEL": "DEBUG", "TENANT": "globex", "EXTRA": None},
        "memory": "512",
        "seconds": 7,
    }
    assert special == {
        "text": "HI!",
        "price": "5.00 EUR",
        "env": {"LOG_LEVEL": "DEBUG", "TENANT": "initech", "EXTRA": "1"},
        "memory": "512",
        "seconds": 3,
    }


def test_a_parameter_outside_its_allowed_values_is_refused(up):
    """The template says which values it allows, and the error repeats them."""
    with pytest.raises(TemplateError, match=r"(?s)LogLevel.*DEBUG.*INFO"):
        up("globals_and_layers", parameters={"LogLevel": "LOUD"})


def test_intrinsic_functions(up):
    """Mappings, conditions, string functions and loops of plain CloudFormation, in the small environment."""
    stage = up("intrinsics")

    assert stage.invoke("Describe").payload == {
        "ARN": stage.outputs["OrdersArn"],
        "FIRST": "Orders",
        "HOST": "sqs.us-east-1.amazonaws.com",
        "JOINED": "dev-small",
        "MEMORY": "128",
        "RETRIES": "1",
        "SIZE": "dev/${Escaped}",
    }
    assert stage.outputs["OrdersArn"] == stage.arn("OrdersQueue")
    assert "ArchiveName" not in stage.outputs


def test_intrinsic_functions_the_other_way(up):
    """A parameter turns the conditions round, and another one makes the loop longer."""
    stage = up("intrinsics", parameters={"Environment": "prod", "Topics": "Orders,Refunds,Returns"})

    described = stage.invoke("Describe").payload

    assert (described["JOINED"], described["MEMORY"], described["RETRIES"]) == ("prod-big", "1024", "5")
    assert described["ARCHIVE"] == stage.outputs["ArchiveName"] == stage.ref("Archive")
    for queue in ("OrdersQueue", "RefundsQueue", "ReturnsQueue"):
        attributes = stage.client("sqs").get_queue_attributes(QueueUrl=stage.ref(queue), AttributeNames=["All"])
        assert attributes["Attributes"]["VisibilityTimeout"] == "300"


def test_inline_code_in_a_json_template(up, bodies):
    """Code that is written into a JSON template runs, fed by a queue through a mapping of its own."""
    stage = up("inline_code", "template.json")
    sqs = stage.client("sqs")

    for number in range(1, 4):
        sqs.send_message(QueueUrl=stage.outputs["JobsUrl"], MessageBody=json.dumps({"a": number, "b": 10}))
    stage.settle()

    assert sorted(bodies(stage, "Results")) == ["10", "20", "30"]
    assert bodies(stage, "Jobs") == []


def test_dynamic_references(up):
    """References to SSM and Secrets Manager are answered while the stack is deployed, also inside a longer text."""
    stage = up("dynamic_references")

    assert stage.invoke("Checkout").payload == {
        "CURRENCY": "EUR",
        "DATABASE_URL": "postgres://shop:hunter2@db.example.com/shop",
    }


def test_a_dynamic_reference_to_nothing_is_refused(up):
    """The error names the resource and the parameter that is missing."""
    with pytest.raises(TemplateError, match=r"(?s)Topic.*/shop/currencies"):
        up("dynamic_references", "broken_reference.yaml")


def test_a_package_with_relative_imports(up):
    """Handlers deep inside a package import their neighbours, relatively, absolutely and late."""
    stage = up("relative_imports")

    order = stage.invoke("Orders", {"lines": [{"price": 2, "count": 3}, {"price": 4, "count": 1}]})
    invoice = stage.invoke("Invoices")

    assert order.payload == {"ok": True, "total": 12.0, "version": "1.2.3"}
    assert "total of 2 lines" in order.log
    assert invoice.payload["vat"] == 0.2
    assert (order.error, invoice.error) == (None, None)


def test_two_functions_with_the_same_module_names(up):
    """Each function has its own `app` and its own `utils`, and keeps its own globals warm."""
    stage = up("same_module_name")

    answers = [stage.invoke(name, {"name": "amy"}).payload for name in ("Hello", "Goodbye", "Hello")]

    assert answers == [
        {"text": "Hello, amy", "calls": 1},
        {"text": "Goodbye, amy", "calls": 1},
        {"text": "Hello, amy", "calls": 2},
    ]


def test_powertools_with_http_routes(up):
    """The resolver routes, parses and answers; its errors become statuses."""
    stage = up("powertools_http")

    created = stage.http.post("/todos", json={"title": "Buy milk"})

    assert (created.status_code, created.json()) == (201, {"id": "buy-milk", "title": "Buy milk"})
    assert stage.http.get("/todos/buy-milk").json()["title"] == "Buy milk"
    assert stage.http.get("/todos", params={"prefix": "buy"}).json() == [{"id": "buy-milk", "title": "Buy milk"}]
    assert stage.http.get("/todos", params={"prefix": "sell"}).json() == []
    assert stage.http.post("/todos", json={}).json() == {"statusCode": 400, "message": "a todo has a title"}
    assert stage.http.get("/todos/nothing").status_code == 404
    assert stage.http.get("/elsewhere").status_code == 404
    assert stage.http.delete("/todos/buy-milk").status_code == 204
    assert stage.http.get("/todos/buy-milk").status_code == 404


def test_powertools_logger_and_metrics(up):
    """Structured logs carry the request's id and the cold start, and metrics are written in the embedded format."""
    stage = up("powertools_http")

    for title in ("one", "two"):
        stage.http.post("/todos", json={"title": title})

    lines = [
        json.loads(event["message"])
        for event in stage.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{stage.ref('TodosFunction')}")[
            "events"
        ]
        if event["message"].startswith("{")
    ]
    logged = [line for line in lines if line.get("message") == "created"]
    metrics = [line for line in lines if "TodoCreated" in line]
    assert [(line["todo"], line["cold_start"], line["service"]) for line in logged] == [
        ("one", True, "todos"),
        ("two", False, "todos"),
    ]
    assert all(line["correlation_id"] and line["function_name"] == stage.ref("TodosFunction") for line in logged)
    assert [line["TodoCreated"] for line in metrics] == [[1.0], [1.0]]


def test_a_handlers_warnings_go_to_its_log(up):
    """Powertools warns when there is no metric to publish: on Lambda that is a line in the log, not an error of a strict test run."""
    stage = up("powertools_http")

    assert stage.http.get("/todos").status_code == 200
    lines = [record.detail["line"] for record in stage.journal.of_kind("log", resource="TodosFunction")]
    assert any("UserWarning: No application metrics to publish" in line for line in lines)


def test_powertools_with_partial_batch_failures(up, items, bodies):
    """Good messages are done at the first receive; the bad one comes back until the redrive policy moves it."""
    stage = up("powertools_batch")
    payments = [{"id": "p-1", "amount": 5}, {"id": "p-2", "amount": -1}, {"id": "p-3", "amount": 7}]

    stage.client("sqs").send_message_batch(
        QueueUrl=stage.ref("Payments"),
        Entries=[{"Id": str(n), "MessageBody": json.dumps(payment)} for n, payment in enumerate(payments)],
    )
    stage.settle()

    ledger = items(stage, "Ledger")
    assert {key: item["receives"]["S"] for key, item in ledger.items()} == {"p-1": "1", "p-3": "1"}
    assert [json.loads(body)["id"] for body in bodies(stage, "PaymentsDead")] == ["p-2"]


def test_a_handler_with_asyncio(up):
    """Coroutines overlap, time limits fire, threads work, and all of it takes virtual seconds only."""
    stage = up("asyncio_handler")

    result = stage.invoke("Gather", {"names": ["a", "b", "c"]})

    assert result.error is None
    assert result.payload == {
        "results": ["a", "b", "c", "gave up"],
        "queued": ["a", "b", "c"],
        "threaded": ["a", "b", "c"],
        "seconds": 32,
    }


def test_a_handler_with_a_thread_pool(up, items):
    """Threads of a handler make SDK calls and sleep at the same time; a failure stays with its own."""
    stage = up("thread_pool")
    for n in range(10):
        stage.client("s3").put_object(Bucket=stage.ref("Files"), Key=f"file-{n}", Body=b"x" * n)

    result = stage.invoke("Copy", {"keys": [*(f"file-{n}" for n in range(10)), "missing"]})

    assert result.payload == {"failures": {"missing": "NoSuchKey"}, "seconds": 2}
    assert {key: item["size"]["N"] for key, item in items(stage, "Index").items()} == {
        f"file-{n}": str(n) for n in range(10)
    }


def test_an_event_bus_with_rules(up, items, bodies):
    """Rules of a custom bus choose by pattern; a target's transformer shapes what it gets."""
    stage = up("event_bus")

    for order, amount in (("paid", 5), ("free", 0)):
        assert stage.invoke("Checkout", {"order": order, "amount": amount}).payload == {"failed": 0}
    stage.settle()

    assert items(stage, "Shipments").keys() == {"paid"}
    assert sorted((json.loads(body) for body in bodies(stage, "Audit")), key=lambda entry: entry["order"]) == [
        {"what": "OrderPaid", "order": "free"},
        {"what": "OrderPaid", "order": "paid"},
    ]


def test_a_tables_stream(up):
    """Each change of an item reaches the function once, with both images; the filter leaves deletions out."""
    stage = up("table_stream")
    dynamodb = stage.client("dynamodb")

    def put(customer, order, amount):
        item = {"customer": {"S": customer}, "order": {"S": order}, "amount": {"N": str(amount)}}
        dynamodb.put_item(TableName=stage.ref("Orders"), Item=item)

    put("amy", "o-1", 10)
    put("amy", "o-2", 5)
    put("bob", "o-3", 1)
    put("amy", "o-1", 7)
    put("amy", "o-2", 5)  # changes nothing, so the stream does not mention it
    dynamodb.delete_item(TableName=stage.ref("Orders"), Key={"customer": {"S": "bob"}, "order": {"S": "o-3"}})
    stage.settle()

    totals = dynamodb.scan(TableName=stage.ref("Totals"))["Items"]
    assert {item["customer"]["S"]: item["amount"]["N"] for item in totals} == {"amy": "12", "bob": "1"}


def test_an_import_that_the_settings_answer(up):
    """What another stack exports can be given in the settings."""
    stage = up("import_value", exports={"network-ApiUrl": "https://api.example.com"})

    assert stage.invoke("Caller").payload == "https://api.example.com"


def test_an_import_that_nothing_answers_is_refused(up):
    """The error names the export, what asked for it, and the exports that are known."""
    with pytest.raises(UnknownExport, match=r"(?s)Caller.*staging-ApiUrl.*network-ApiUrl"):
        up(
            "import_value",
            parameters={"NetworkStack": "staging"},
            exports={"network-ApiUrl": "https://api.example.com"},
        )
