"""
The Lambda service, as far as a function's runtime needs it: it hands out invocations over the Runtime API, and takes the answers.

What is started is AWS's own runtime client (awslambdaric), as Lambda starts it.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from stagefright.chaos import merge

INVOCATION = {
    "Content-Type": "application/json",
    "Lambda-Runtime-Aws-Request-Id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:worker",
    "Lambda-Runtime-Trace-Id": "Root=1-65523a5e-0a1b2c3d4e5f60718293a4b5;Sampled=0",
}


class LambdaService:
    """The Runtime API, as far as a runtime needs it."""

    def __init__(self):
        self.invocations = queue.Queue()
        self.answers = queue.Queue()
        service = self

        class Api(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                event = service.invocations.get()
                if event is None:
                    self.close_connection = True
                    return
                self.reply(200, event, INVOCATION)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.reply(202, {}, {})
                service.answers.put((self.path.rpartition("/")[2], json.loads(body)))

            def reply(self, status, body, headers):
                text = json.dumps(body).encode()
                self.send_response(status)
                more = {"Lambda-Runtime-Deadline-Ms": str(int((time.time() + 30) * 1000))}
                for name, value in {**headers, **more, "Content-Length": str(len(text))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a runtime that is killed leaves broken pipes
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.server.server_port}"

    def close(self):
        self.invocations.put(None)
        self.server.shutdown()
        self.server.server_close()


class Function:
    """A function whose runtime is started for a few invocations."""

    def __init__(self, task_root, variables, service, wrapper=()):
        self.task_root = task_root
        self.variables = variables
        self.service = service
        self.wrapper = list(wrapper)
        self.log = ""
        self.took_s = []

    def write(self, name, text):
        file = self.task_root / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)

    def run(self, handler, *events, between=lambda: None, **variables):
        """Start the runtime, hand out the events one by one; gives the kinds and bodies of the answers."""
        command = [*self.wrapper, sys.executable, "-m", "awslambdaric", handler]
        environment = {
            **self.variables,
            "_HANDLER": handler,
            "AWS_LAMBDA_RUNTIME_API": self.service.address,
            "AWS_LAMBDA_FUNCTION_NAME": "worker",
            "LAMBDA_TASK_ROOT": str(self.task_root),
            **variables,
        }
        process = subprocess.Popen(
            command, cwd=self.task_root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        answers = []
        try:
            for event in events:
                begun = time.monotonic()
                self.service.invocations.put(event)
                answers.append(self.service.answers.get(timeout=120))
                self.took_s.append(time.monotonic() - begun)
                between()
        finally:
            process.kill()
            self.log = process.communicate()[0]
        return answers


def flag(*faults, lease_s=60):
    return merge(faults, owner="amy", run="run-1", expires=time.time() + lease_s)


def strikes(log):
    lines = [json.loads(line) for line in log.splitlines() if '"source": "stagefright"' in line]
    return [line["mode"] for line in lines if line["action"] == "inject"]


def without_details(answers):
    return [(kind, {**body, "requestId": None, "stackTrace": None}) for kind, body in answers]
