"""aws-semantics §1.2, §1.4: what an invocation answers, to the letter."""

from __future__ import annotations

import importlib
import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

import pytest

from stagefright.functions import payloads
from stagefright.services.lambda_limits import RESPONSE_BYTES_MAX

REQUEST_ID = "5f0c7d3a-0000-4000-8000-000000000001"


def marshal(value, runtime="python3.12"):
    """The response that a handler's result becomes."""
    return payloads.marshal_response(value, runtime=runtime, request_id=REQUEST_ID)


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Imports a module from its text, as an executor would."""

    def load(text):
        (tmp_path / "orders_app.py").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "orders_app", raising=False)
        try:
            return importlib.import_module("orders_app")
        finally:
            sys.modules.pop("orders_app", None)

    return load


class TestHandlerErrors:
    """§1.4: the payload of an exception."""

    @pytest.mark.rule("1.4/handler-error")
    @pytest.mark.rule("1.4/error-type")
    @pytest.mark.rule("1.4/stack-trace")
    def test_an_exception_becomes_awss_payload(self, module, tmp_path):
        """Message, type without module, request id and stack trace, in AWS's key order."""
        app = module('def handler(event, context):\n    raise Exception("Handler fails")\n')
        with pytest.raises(Exception, match="Handler fails") as caught:
            app.handler({}, None)
        error = caught.value
        # The first frame is this test, which stands where the bootstrap stands on AWS.
        error.__traceback__ = error.__traceback__.tb_next

        payload = payloads.handler_error(error, REQUEST_ID)

        assert list(payload) == ["errorMessage", "errorType", "requestId", "stackTrace"]
        assert tuple(payload.values())[:3] == ("Handler fails", "Exception", REQUEST_ID)
        line = f'  File "{tmp_path}/orders_app.py", line 2, in handler\n    raise Exception("Handler fails")\n'
        assert payload["stackTrace"] == [line]

    @pytest.mark.rule("1.4/stack-trace")
    def test_frames_of_the_harness_are_stripped(self):
        """What the harness puts around and below a handler is not shown, as the bootstrap is not on AWS."""
        with pytest.raises(payloads.MarshalError) as caught:
            marshal(object())

        assert [
            line for line in payloads.stack_trace(caught.value.__traceback__) if "functions/payloads.py" in line
        ] == []

    @pytest.mark.rule("1.4/module-level-raise")
    def test_a_failure_at_module_level_keeps_its_type_and_the_import_frames(self, module):
        """A module that raises shows its own error with importlib's frames and an empty request id."""
        with pytest.raises(KeyError) as caught:
            module('settings = {}\nsettings["TABLE"]\n')

        payload = payloads.handler_error(caught.value, "")

        assert tuple(payload.values())[:3] == ("'TABLE'", "KeyError", "")
        assert any("importlib" in line for line in payload["stackTrace"])
        assert payload["stackTrace"][-1].endswith('line 2, in <module>\n    settings["TABLE"]\n')

    def test_the_trace_has_no_column_markers(self, module):
        """AWS formats frames without the `^^^^` of newer Pythons."""
        with pytest.raises(ZeroDivisionError) as caught:
            module("x = 1 + (2 / 0)\n")

        assert not any("^" in line for line in payloads.handler_error(caught.value, "")["stackTrace"])


class TestRuntimeFaults:
    """§1.4: what the Python runtime client reports by itself."""

    @pytest.mark.rule("1.4/import-module-error")
    def test_a_module_that_cannot_be_imported(self):
        """Runtime.ImportModuleError carries Python's text."""
        payload = payloads.import_module_error("app", ModuleNotFoundError("No module named 'requests'"))

        assert payload == {
            "errorMessage": "Unable to import module 'app': No module named 'requests'",
            "errorType": "Runtime.ImportModuleError",
            "requestId": "",
            "stackTrace": [],
        }

    @pytest.mark.rule("1.4/handler-not-found")
    def test_a_handler_that_is_missing(self):
        """Runtime.HandlerNotFound names function and module."""
        payload = payloads.handler_not_found("handler", "app", REQUEST_ID)

        assert tuple(payload.values()) == (
            "Handler 'handler' missing on module 'app'",
            "Runtime.HandlerNotFound",
            REQUEST_ID,
            [],
        )

    @pytest.mark.rule("1.4/syntax-error")
    def test_a_module_that_does_not_parse(self, module):
        """Runtime.UserCodeSyntaxError shows file, line and text in one trace line."""
        with pytest.raises(SyntaxError) as caught:
            module("def handler(:\n")

        payload = payloads.syntax_error("app", caught.value)
        assert payload["errorType"] == "Runtime.UserCodeSyntaxError"
        assert payload["errorMessage"].startswith("Syntax error in module 'app': invalid syntax")
        assert payload["stackTrace"][0].endswith('orders_app.py" Line 1\n    def handler(:\n')

    @pytest.mark.rule("1.4/malformed-handler")
    def test_a_handler_setting_without_a_dot(self):
        """Runtime.MalformedHandlerName carries Python's own reason."""
        payload = payloads.malformed_handler_name("handler")

        assert payload["errorMessage"] == "Bad handler 'handler': not enough values to unpack (expected 2, got 1)"
        assert payload["errorType"] == "Runtime.MalformedHandlerName"


class TestPlatformFailures:
    """§1.4: what Lambda reports when the runtime cannot."""

    @pytest.mark.rule("1.4/timeout")
    def test_a_timeout(self):
        """Two decimals, the current error type, and no more keys."""
        text = f"RequestId: {REQUEST_ID} Error: Task timed out after 1.00 seconds"

        assert payloads.timed_out(REQUEST_ID, 1) == {"errorType": "Sandbox.Timedout", "errorMessage": text}

    @pytest.mark.parametrize(
        ("reason", "text"),
        [
            (None, "Runtime exited without providing a reason"),
            ("exit status 127", "Runtime exited with error: exit status 127"),
            ("signal: killed", "Runtime exited with error: signal: killed"),
        ],
    )
    def test_an_exit(self, reason, text):
        """sys.exit(), a missing bootstrap and a lack of memory differ in their text only."""
        payload = payloads.runtime_exited(REQUEST_ID, reason)

        assert payload == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {REQUEST_ID} Error: {text}"}

    @pytest.mark.rule("1.2/oversize-response")
    def test_an_oversize_response(self):
        """§1.2: A response may have 6,291,556 bytes; the payload that replaces a larger one says so."""
        assert not payloads.is_too_large(b"x" * RESPONSE_BYTES_MAX)
        assert payloads.is_too_large(b"x" * (RESPONSE_BYTES_MAX + 1))
        assert payloads.marshal_error(payloads.response_too_large()) == (
            b'{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).",'
            b'"errorType":"Function.ResponseSizeTooLarge"}'
        )

    @pytest.mark.rule("1.1/unhandled")
    def test_the_function_error_is_unhandled(self):
        """§1.1: Every recorded FunctionError is `Unhandled`."""
        assert payloads.FUNCTION_ERROR == "Unhandled"


class TestMarshalling:
    """What a handler's result becomes."""

    class Point(NamedTuple):
        """What a handler may return a row as."""

        x: object
        y: object

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (None, "null"),
            ({"a": [1, 2.5, True]}, '{"a": [1, 2.5, true]}'),
            ((1, 2), "[1, 2]"),
            ("text", '"text"'),
            ({1: "x", None: "y"}, '{"1": "x", "null": "y"}'),
            ({"price": Decimal("1.10"), "more": [Decimal(2), Decimal("NaN")]}, '{"price": 1.10, "more": [2, NaN]}'),
            (
                {"at": Point(1, 2), "all": (Point(Decimal(3), 4),)},
                '{"at": {"x": 1, "y": 2}, "all": [{"x": 3, "y": 4}]}',
            ),
            (float("inf"), "Infinity"),
        ],
    )
    def test_results_are_written_as_the_runtime_client_writes_them(self, value, text):
        """Blanks after commas and colons, decimals as numbers, named tuples as objects."""
        assert text == marshal(value).decode()

    def test_bytes_pass_unchanged(self):
        """A handler that returns bytes answers with them."""
        assert marshal(b"\x00raw") == b"\x00raw"

    def test_text_is_escaped_up_to_python_311(self):
        """Newer runtimes write text as it is."""
        assert [marshal("é", runtime) for runtime in ("python3.11", "python3.12")] == [b'"\\u00e9"', '"é"'.encode()]

    @pytest.mark.rule("1.4/marshal-error")
    def test_what_json_cannot_hold_is_a_marshal_error(self):
        """§1.4: Runtime.MarshalError carries the encoder's text."""
        with pytest.raises(payloads.MarshalError) as caught:
            marshal({"at": datetime(2026, 1, 1, tzinfo=UTC)})

        assert caught.value.payload == {
            "errorMessage": "Unable to marshal response: Object of type datetime is not JSON serializable",
            "errorType": "Runtime.MarshalError",
            "requestId": REQUEST_ID,
            "stackTrace": [],
        }

    def test_a_cycle_is_a_marshal_error(self):
        """A result that contains itself is refused, not followed for ever."""
        cycle = []
        cycle.append(cycle)

        with pytest.raises(payloads.MarshalError, match="Circular reference detected"):
            marshal(cycle)

    def test_an_error_of_the_client_is_written_as_its_results_are(self):
        """Python's error payloads have blanks; escaping follows the runtime."""
        payload = payloads.import_module_error("é", ImportError("x"))
        old, new = (payloads.marshal_error(payload, runtime=runtime) for runtime in ("python3.11", "python3.12"))

        assert b"\\u00e9" in old
        assert b"\\u00e9" not in new
        assert json.loads(old) == json.loads(new)
        assert b'"errorType": "Runtime.ImportModuleError"' in new
