"""The emulator's container in a real engine: from start to removal, whatever comes between."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import zipfile

import pytest

from stagefright.errors import EmulatorError
from stagefright.ledger.kinds import Fate, kind_named
from stagefright.ledger.reading import Entry
from stagefright.targets.account import Account
from stagefright.targets.docker import emulator as emulator_module
from stagefright.targets.docker.emulator import container_name, remove_emulator, start_emulator
from stagefright.targets.docker.workers import access_key_of, check_accounts


@pytest.fixture(scope="module")
def shared(image, tmp_path_factory):
    """One emulator for the tests that leave it as it is."""
    from stagefright.settings import Settings
    from stagefright.targets.run import Run

    settings = Settings(target="docker", directory=tmp_path_factory.mktemp("project"), image=image)
    started = start_emulator(settings, Run.begin(), stage="shared")
    yield started
    started.close()


@pytest.fixture
def account_of():
    """The account of a worker in an emulator; clients are closed at the end."""
    made = []

    def make(emulator, worker=None, **given):
        key = {"access_key": access_key_of(worker), **given}
        made.append(Account(region="us-east-1", endpoint_url=emulator.endpoint_url, **key))
        return made[-1]

    yield make
    for account in made:
        for client in account._clients.values():
            client.close()


def ledger_lines(directory):
    return [json.loads(line) for file in directory.rglob("*.jsonl") for line in file.read_text().splitlines()]


class TestLife:
    def test_a_container_starts_answers_and_goes(self, settings, run, containers, engine, account_of):
        """On a port of loopback that the engine chose, with the run's tags as labels; after `close`, nothing of it is left."""
        started = start_emulator(settings(), run, stage="pr-7")
        try:
            assert [container_name(run, "pr-7")] == containers()
            container = engine.containers.get(started.container)
            assert run.tags("pr-7").items() <= container.labels.items()
            assert ["127.0.0.1"] == [binding["HostIp"] for binding in container.ports["4566/tcp"]]
            assert started.endpoint_url == f"http://127.0.0.1:{container.ports['4566/tcp'][0]['HostPort']}"
            assert "000000000000" == account_of(started).id
            assert ["host.docker.internal:host-gateway"] == container.attrs["HostConfig"]["ExtraHosts"]
            assert not [entry for entry in container.attrs["Config"]["Env"] if entry.startswith("AWS_")]
        finally:
            started.close()

        assert [] == containers()
        started.close()  # once more does no harm

    def test_it_stands_in_the_ledger_before_it_is_made(self, settings, run, containers, tmp_path, monkeypatch):
        """When the engine is asked for the container, the ledger on disk has its name and its engine; at the end it is struck out."""
        seen = []
        connect = emulator_module.connect

        def watched(environ):
            found = connect(environ)
            create = found.client.api.create_container
            found.client.api.create_container = lambda *a, **k: seen.extend(ledger_lines(tmp_path)) or create(*a, **k)
            return found

        monkeypatch.setattr(emulator_module, "connect", watched)
        start_emulator(settings(), run, stage="pr-7").close()

        [noted] = [line for line in seen if line.get("kind") == "container"]
        assert container_name(run, "pr-7") == noted["name"]
        assert os.environ.get("DOCKER_HOST") == noted["detail"]["docker_host"]
        lines = ledger_lines(tmp_path)
        assert lines == [] or {"struck": noted["number"]} in lines

    def test_a_second_worker_finds_the_container_of_the_first(self, settings, run, containers):
        """Four at once get one container; who has not made it does not remove it; who is last can, by run and stage."""
        found, errors = [], []

        def work():
            try:
                found.append(start_emulator(settings(), run, stage="pr-7"))
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]

        assert [] == errors
        assert 1 == len({one.endpoint_url for one in found}) == len(containers())
        assert 1 == sum(one.is_ours for one in found)
        for one in found:
            one.leave() if one.is_ours else one.close()
        assert 1 == len(containers())
        assert remove_emulator(run, "pr-7")
        assert [] == containers()
        assert not remove_emulator(run, "pr-7")

    @pytest.mark.parametrize("end", ["return", "raise", "interrupt"])
    def test_a_process_that_ends_without_closing_it_takes_it_along(
        self, settings, run, containers, tmp_path, image, end
    ):
        """Whether its script ended, raised, or was interrupted with Ctrl-C."""
        process = in_a_process(
            tmp_path, image, run, {"return": "pass", "raise": "1 / 0", "interrupt": "time.sleep(60)"}[end]
        )
        assert "up" == process.stdout.readline().strip()
        assert 1 == len(containers())
        if end == "interrupt":
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)

        assert [] == containers()

    def test_what_a_killed_process_left_can_be_removed_by_its_ledger(self, settings, run, containers, tmp_path, image):
        """SIGKILL leaves the container; the ledger has all that removing it needs."""
        process = in_a_process(tmp_path, image, run, "time.sleep(60)")
        process.stdout.readline()
        process.kill()
        process.communicate()
        assert 1 == len(containers())

        [noted] = [line for line in ledger_lines(tmp_path) if line.get("kind") == "container"]
        entry = Entry(1, noted["kind"], noted["name"], "pr-7", 0.0, detail=noted["detail"], run=run.id)
        assert Fate.DELETE == kind_named("container").look(entry, None).fate
        kind_named("container").undo(entry, None)
        assert [] == containers()

    def test_an_interrupt_while_it_starts_leaves_nothing(self, settings, run, containers, monkeypatch):
        """Ctrl-C while it is waited for."""

        def interrupted(url):
            raise KeyboardInterrupt

        monkeypatch.setattr(emulator_module, "_probe", interrupted)
        with pytest.raises(KeyboardInterrupt):
            start_emulator(settings(), run, stage="pr-7")

        assert [] == containers()


def in_a_process(directory, image, run, then):
    """A script that starts an emulator, says so, and goes on as told."""
    script = f"""
        import signal, sys, time
        from pathlib import Path
        from stagefright.settings import Settings
        from stagefright.targets.docker.emulator import start_emulator
        from stagefright.targets.run import Run
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run = Run.begin({run.id!r})
        start_emulator(Settings(target="docker", directory=Path({str(directory)!r}), image={image!r}), run, stage="pr-7")
        print("up", flush=True)
        {then}
        """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


class TestAttaching:
    def test_an_emulator_that_runs_already_is_used_and_left(
        self, shared, settings, run, containers, monkeypatch, account_of
    ):
        """No Docker is needed for it, and it still runs afterwards."""
        monkeypatch.setattr(emulator_module, "connect", lambda environ: pytest.fail("Docker was asked"))
        attached = start_emulator(settings(endpoint_url=shared.endpoint_url), run, stage="pr-7")
        attached.close()

        assert (shared.endpoint_url, None, False) == (attached.endpoint_url, attached.container, attached.is_ours)
        assert "000000000000" == account_of(shared).id

    def test_nothing_there(self, settings, run):
        """The setting, the reason and the way out are named."""
        with pytest.raises(
            EmulatorError,
            match=r"endpoint_url = 'http://127.0.0.1:1': .*connection refused.*\n.*leave `endpoint_url` out",
        ):
            start_emulator(settings(endpoint_url="http://127.0.0.1:1"), run, stage="pr-7")


class TestWorkers:
    def test_workers_have_accounts_of_their_own_in_one_emulator(self, shared, account_of):
        """What one makes the other does not see, though the names are the same."""
        one, other = account_of(shared, "gw0"), account_of(shared, "gw1")
        one.client("sqs").create_queue(QueueName="orders")

        assert ("000000000001", "000000000002") == (one.id, other.id)
        assert 1 == len(one.client("sqs").list_queues()["QueueUrls"])
        assert not other.client("sqs").list_queues().get("QueueUrls")
        check_accounts(one, "gw0")

    def test_an_emulator_with_one_account_is_no_place_for_workers(self, shared, account_of):
        """One that does not take the key for the account would mix their stacks; it is refused, with the way out."""
        everybody = account_of(shared, access_key="test")
        check_accounts(everybody, None)

        with pytest.raises(EmulatorError, match=r"does not keep workers apart.*\n.*without `-n`"):
            check_accounts(everybody, "gw0")


def test_python_functions_run_in_the_container(shared, account_of):
    """Code that was uploaded runs there, and its own clients reach the emulator, in the worker's account."""
    account = account_of(shared, "gw5")
    code = """
        import boto3
        def handler(event, context):
            boto3.client("sqs").send_message(QueueUrl=event["queue"], MessageBody="from inside")
            return context.invoked_function_arn
        """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("app.py", textwrap.dedent(code))
    queue = account.client("sqs").create_queue(QueueName="inbox")["QueueUrl"]
    account.client("lambda").create_function(
        FunctionName="sender",
        Runtime="python3.12",
        Role=f"arn:aws:iam::{account.id}:role/worker",
        Handler="app.handler",
        Timeout=30,
        Code={"ZipFile": archive.getvalue()},
    )
    account.client("lambda").get_waiter("function_active_v2").wait(FunctionName="sender")

    answer = account.client("lambda").invoke(FunctionName="sender", Payload=json.dumps({"queue": queue}))
    text = answer["Payload"].read().decode()

    assert "arn:aws:lambda:us-east-1:000000000006:function:sender" == json.loads(text), text
    [message] = account.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert "from inside" == message["Body"]


class TestRefusals:
    """Whatever is wrong with the container is told with its log, and it is removed."""

    @pytest.fixture
    def broken(self, engine, image):
        """Images whose command is another; removed at the end."""
        made = []

        def make(command, **config):
            name = f"stagefright-tests/broken-{len(made)}:{os.getpid()}"
            container = engine.containers.create(image, command)
            repository, _, tag = name.partition(":")
            container.commit(repository, tag=tag, conf={"Cmd": command, **config})
            container.remove()
            made.append(name)
            return name

        yield make
        for name in made:
            engine.images.remove(name, force=True)

    def test_a_container_that_ends_at_once(self, broken, settings, run, containers):
        """Its exit code and its last words are shown."""
        image = broken(["/bin/sh", "-c", "echo no licence found; exit 55"])

        with pytest.raises(EmulatorError) as refusal:
            start_emulator(settings(image=image), run, stage="pr-7")

        assert "ended at once, with exit code 55" in str(refusal.value)
        assert "no licence found" in str(refusal.value)
        assert [] == containers()

    def test_a_container_that_never_answers(self, broken, settings, run, containers, monkeypatch):
        """The wait is bounded, and the log is shown."""
        monkeypatch.setattr(emulator_module, "HEALTHY_WITHIN_S", 1.0)
        image = broken(["/usr/local/bin/python", "-c", "import time; print('thinking', flush=True); time.sleep(600)"])

        with pytest.raises(EmulatorError) as refusal:
            start_emulator(settings(image=image), run, stage="pr-7")

        assert "did not answer on port 4566 within 1 s" in str(refusal.value)
        assert "thinking" in str(refusal.value)
        assert [] == containers()

    def test_a_container_that_cannot_start(self, broken, settings, run, containers):
        """The engine's own reason."""
        with pytest.raises(EmulatorError, match=r"(?s)did not start: .*no-such-program"):
            start_emulator(settings(image=broken(["/no-such-program"])), run, stage="pr-7")

        assert [] == containers()

    def test_an_image_that_exposes_another_port(self, broken, settings, run, containers):
        """The emulator is asked where its image says that it listens."""
        serve = "import http.server as h; h.HTTPServer(('', 5000), h.SimpleHTTPRequestHandler).serve_forever()"
        image = broken(["/usr/local/bin/python", "-c", serve], ExposedPorts={"5000/tcp": {}})
        started = start_emulator(settings(image=image), run, stage="pr-7")
        started.close()

        assert [] == containers()

    def test_an_image_that_nobody_has(self, settings, run, containers):
        """What the engine has is listed."""
        told = []
        with pytest.raises(EmulatorError) as refusal:
            start_emulator(settings(image="registry.invalid/nobody/nothing:1"), run, stage="pr-7", progress=told.append)

        assert "does not have the image 'registry.invalid/nobody/nothing:1', and could not pull it" in str(
            refusal.value
        )
        assert "Images that it has: " in str(refusal.value)
        assert "stagefright-tests/ministack" in str(refusal.value)
        assert ["Pulling the image registry.invalid/nobody/nothing:1 ..."] == told
        assert [] == containers()

    def test_a_container_of_that_name_that_is_somebody_elses(self, settings, run, containers, engine, image):
        """It is neither used nor removed."""
        name = container_name(run, "pr-7")
        foreign = engine.containers.create(image, name=name)
        try:
            with pytest.raises(EmulatorError, match=f"There is a container {name} that is not of this run"):
                start_emulator(settings(), run, stage="pr-7")
            foreign.reload()
        finally:
            foreign.remove()
