"""The way to a Docker engine and to an image: what is said when there is none. No engine is needed for these."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import types
from pathlib import Path

import pytest

from stagefright.errors import EmulatorError
from stagefright.targets.docker import engine as engine_module
from stagefright.targets.docker.engine import Engine, connect, import_docker
from stagefright.targets.docker.image import DEFAULT_IMAGE, choose_image, port_of, progress


def why_not(host, **more):
    """What is said of an engine's address."""
    with pytest.raises(EmulatorError) as refusal:
        connect({"DOCKER_HOST": host, **more})
    return str(refusal.value)


@pytest.fixture
def folder():
    """A folder with a short name: the path of a socket has about 100 characters."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


class TestEngine:
    def test_the_package_is_missing(self, monkeypatch):
        """The line that installs it, and the way without it."""
        monkeypatch.setitem(sys.modules, "docker", None)

        with pytest.raises(EmulatorError, match=r"pip install 'stagefright\[docker\]'\nOr attach .* endpoint_url"):
            import_docker()

    def test_a_folder_of_the_project_is_taken_for_the_package(self, monkeypatch):
        """`docker/` with a Dockerfile is in many projects, and importable where the package is missing."""
        monkeypatch.setitem(sys.modules, "docker", types.ModuleType("docker"))

        with pytest.raises(EmulatorError, match="not installed"):
            connect({})

    def test_no_socket(self, folder):
        """The engine is not running, or is elsewhere."""
        said = why_not(f"unix://{folder}/docker.sock")

        assert f"No Docker engine runs at DOCKER_HOST=unix://{folder}/docker.sock: there is no such socket." in said
        assert "sudo systemctl start docker" in said
        assert "docker context ls" in said
        assert "endpoint_url" in said

    def test_a_socket_on_which_nobody_listens(self, folder):
        """What a killed engine leaves."""
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(f"{folder}/docker.sock")

        assert "nobody listens on it" in why_not(f"unix://{folder}/docker.sock")

    def test_a_socket_of_a_group_that_the_user_is_not_in(self, folder, monkeypatch):
        """The group is named, and the command that joins it."""
        (folder / "docker.sock").touch()
        group = (folder / "docker.sock").group()

        def refused(*_, **__):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(socket.socket, "connect", refused)
        said = why_not(f"unix://{folder}/docker.sock")

        assert f"its socket belongs to the group {group!r}, which you are not in" in said
        assert f"sudo usermod -aG {group} $USER" in said

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may use every socket")
    def test_a_socket_that_may_not_be_used(self, folder):
        """As the system itself refuses it."""
        with socket.socket(socket.AF_UNIX) as engine:
            engine.bind(f"{folder}/docker.sock")
            engine.listen()
            Path(f"{folder}/docker.sock").chmod(0)
            assert "which you are not in" in why_not(f"unix://{folder}/docker.sock")

    @pytest.mark.parametrize(
        ("host", "reason"),
        [
            ("tcp://127.0.0.1:1", "nothing listens there"),
            ("tcp://nowhere.invalid:2375", "the name of its host is unknown"),
            ("ftp://127.0.0.1", "Invalid bind address protocol"),
            ("tcp://127.0.0.1", "port is required"),
        ],
    )
    def test_docker_host_leads_nowhere(self, host, reason):
        """The value, the reason, and what the variable may be."""
        said = why_not(host)

        assert f"There is no Docker engine at DOCKER_HOST={host}: " in said
        assert reason in said
        assert "DOCKER_HOST is unix:///path/to/docker.sock, tcp://host:port or ssh://user@host" in said

    def test_an_engine_that_does_not_answer(self, monkeypatch):
        """It took the connection, and that was all."""
        monkeypatch.setattr(engine_module, "ANSWER_WITHIN_S", 0.2)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            said = why_not(f"tcp://127.0.0.1:{silent.getsockname()[1]}")

        assert "it does not answer" in said

    @pytest.mark.parametrize(
        ("asked", "base_url", "host"),
        [
            (None, "http+docker://localhost", "127.0.0.1"),
            ("unix:///run/user/1000/docker.sock", "http+docker://localhost", "127.0.0.1"),
            ("tcp://127.0.0.1:2375", "http://127.0.0.1:2375", "127.0.0.1"),
            ("tcp://docker:2376", "https://docker:2376", "docker"),
            (None, "http://build-host:2375", "build-host"),
            ("ssh://amy@far.example.com", "http+docker://ssh", "far.example.com"),
        ],
    )
    def test_ports_are_published_where_the_engine_is(self, asked, base_url, host):
        """Beside a build job, as often as on the same machine."""
        client = types.SimpleNamespace(api=types.SimpleNamespace(base_url=base_url))

        assert host == Engine(client, asked).ports_at


class TestImage:
    def test_it_is_ministack_unless_set(self):
        """Which needs no token."""
        assert "ministackorg/ministack" == DEFAULT_IMAGE == choose_image(None, {})
        assert "mine/emulator:3" == choose_image("mine/emulator:3", {})

    @pytest.mark.parametrize(
        "image", ["localstack/localstack", "localstack/localstack:latest", "docker.io/localstack/localstack-pro:4"]
    )
    def test_localstack_without_its_token_is_refused(self, image):
        """The reason, and two ways out; with the token it is taken."""
        with pytest.raises(
            EmulatorError,
            match=r"(?s)does not start without a token, and LOCALSTACK_AUTH_TOKEN is not set.*leave `image` out",
        ):
            choose_image(image, {})

        assert image == choose_image(image, {"LOCALSTACK_AUTH_TOKEN": "ls-1"})

    def test_older_releases_of_localstack_need_none(self):
        """They are named by their version."""
        assert "localstack/localstack:4.9" == choose_image("localstack/localstack:4.9", {})

    @pytest.mark.parametrize(
        ("exposed", "port"),
        [
            (None, 4566),
            ({}, 4566),
            ({"4510/tcp": {}, "4566/tcp": {}}, 4566),
            ({"5000/tcp": {}}, 5000),
            ({"53/udp": {}}, 4566),
        ],
    )
    def test_the_port_is_the_usual_one_unless_the_image_has_others_only(self, exposed, port):
        """MiniStack's and LocalStack's; moto's server has another."""
        assert port == port_of(types.SimpleNamespace(attrs={"Config": {"ExposedPorts": exposed}}))

    def test_a_pull_is_told_from_time_to_time(self):
        """How many layers are there, every few seconds, however many lines the engine has."""
        lines = [
            {"status": "Pulling from ministackorg/ministack", "id": "latest"},
            {"status": "Already exists", "id": "a"},
            {"status": "Downloading", "id": "b"},
            {"status": "Downloading", "id": "b"},
            {"status": "Pull complete", "id": "b"},
            {"status": "Downloading", "id": "c"},
        ]
        times = iter([0.0, 0.1, 0.2, 6.0, 6.1, 12.0, 12.1, 12.2])

        assert ["  1 of 2 layers", "  2 of 2 layers"] == list(progress(lines, lambda: next(times)))

    def test_an_error_in_the_middle_of_a_pull(self):
        """The engine answers 200, and then says no."""
        with pytest.raises(import_docker().errors.APIError, match="no space left"):
            list(progress([{"error": "no space left on device"}], lambda: 0.0))
