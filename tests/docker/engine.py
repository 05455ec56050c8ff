"""
A Docker engine of the tests' own, and the image that they run in it.

    eval "$(python tests/docker/engine.py start)"    an engine: the one that answers already, else a `dockerd` of our own (as root)
    python tests/docker/engine.py image              builds the emulator's image, and prints its name
    python tests/docker/engine.py stop               stops what `start` started, and nothing else

The image is made from what is here, without a registry of images: the Python that runs MiniStack in `build/ministack`, the shared
libraries that it needs, and its packages. Engine and image lie in `build/docker-engine`; a second start finds the image there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "build" / "ministack" / "bin" / "python"
STATE = ROOT / "build" / "docker-engine"
SOCKET = STATE / "docker.sock"
PIDFILE = STATE / "dockerd.pid"
LOG = STATE / "dockerd.log"
START_WITHIN_S = 60
STOP_WITHIN_S = 30

REPOSITORY = "stagefright-tests/ministack"

LEFT_OUT = re.compile(
    r"/(test|tests|idlelib|tkinter|turtledemo|lib2to3|ensurepip|distutils|pip|setuptools|pkg_resources|_distutils_hack|config-[^/]+)(/|$)"
    r"|/lib-dynload/(_tkinter|nis|_dbm|_gdbm|_curses|_curses_panel|readline|_test[^/]*|xx[^/]*)\.|^$"
)
"""What a server needs of neither the standard library nor its packages."""


# -- the engine --------------------------------------------------------------------------------------------------------


def start() -> str:
    """The address of an engine that answers; starts one if none does."""
    found = next((host for host in _known_hosts() if answers(host)), None)
    return found or _start_our_own()


def _known_hosts() -> list[str]:
    asked = os.environ.get("DOCKER_HOST")
    return [asked] if asked else ["unix:///var/run/docker.sock", f"unix://{SOCKET}"]


def answers(host: str) -> bool:
    """Whether an engine is there."""
    import docker

    try:
        client = docker.DockerClient(base_url=host, timeout=10)
    except docker.errors.DockerException:
        return False
    try:
        return bool(client.ping())
    except (docker.errors.DockerException, OSError):
        return False
    finally:
        client.close()


def _start_our_own() -> str:
    dockerd = shutil.which("dockerd")
    if dockerd is None:
        raise SystemExit("No Docker engine answers, and there is no dockerd. On Debian: apt-get install docker.io")
    if os.geteuid() != 0:
        raise SystemExit("No Docker engine answers, and only root can start one.")
    STATE.mkdir(parents=True, exist_ok=True)
    (STATE / "daemon.json").write_text("{}")
    with LOG.open("wb") as log:
        process = subprocess.Popen(
            [dockerd, *_options()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    host = f"unix://{SOCKET}"
    until = time.monotonic() + START_WITHIN_S
    while not answers(host):
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            tail = "\n".join(LOG.read_text(errors="replace").splitlines()[-15:])
            raise SystemExit(f"dockerd did not come up; the end of its log:\n{tail}")
        time.sleep(0.2)
    return host


def _options() -> list[str]:
    """A daemon that shares nothing with another one on this machine: directories, socket, bridge; and no firewall rules."""
    return [
        f"--config-file={STATE / 'daemon.json'}",
        f"--data-root={STATE / 'data'}",
        f"--exec-root={STATE / 'exec'}",
        f"--host=unix://{SOCKET}",
        f"--pidfile={PIDFILE}",
        "--iptables=false",
        "--ip-forward=false",
        "--ip-masq=false",
        *_bridge(),
    ]


def _bridge_name() -> str:
    return f"sf-{hashlib.sha256(str(STATE).encode()).hexdigest()[:8]}"


def _bridge() -> list[str]:
    """A bridge of our own; without `ip` to make one, the engine's default."""
    if shutil.which("ip") is None:
        return []
    name = _bridge_name()
    second, third = (int(name[at : at + 2], 16) for at in (3, 5))
    for command in (
        f"ip link add name {name} type bridge",
        f"ip address replace 10.{second}.{third}.1/24 dev {name}",
        f"ip link set dev {name} up",
    ):
        subprocess.run(command.split(), check=False, stderr=subprocess.DEVNULL)
    return [f"--bridge={name}"]


def stop() -> None:
    """End the engine that lies in our directory, if it runs."""
    pid = _pid_of_ours()
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + STOP_WITHIN_S
    while _pid_of_ours() == pid and time.monotonic() < until:
        time.sleep(0.1)
    if shutil.which("ip") is not None:
        subprocess.run(["ip", "link", "delete", _bridge_name()], check=False, stderr=subprocess.DEVNULL)


def _pid_of_ours() -> int | None:
    """The process that the file names, if it is our engine: the number may be another's by now."""
    try:
        pid = int(PIDFILE.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_text()
    except (OSError, ValueError):
        return None
    return pid if str(STATE) in command and "dockerd" in command else None


# -- the image ---------------------------------------------------------------------------------------------------------


def build_image(host: str) -> str:
    """The name of the emulator's image, which an engine has afterwards; made anew when what it is made of has changed."""
    import docker

    layout = _layout()
    name = f"{REPOSITORY}:{_fingerprint(layout)}"
    client = docker.DockerClient(base_url=host, timeout=300)
    try:
        if not client.images.list(name=name):
            _import_image(client, name, layout)
    finally:
        client.close()
    return name


def _layout() -> dict[str, str]:
    """Where the emulator's Python lies, as it says itself."""
    if not PYTHON.exists():
        raise SystemExit(f"There is no MiniStack in {PYTHON.parent.parent}: make build/ministack/bin/ministack")
    code = (
        "import importlib.metadata, json, os, sys, sysconfig; print(json.dumps({"
        "'executable': os.path.realpath(sys.executable), 'stdlib': sysconfig.get_path('stdlib', vars={'base': sys.base_prefix,"
        " 'installed_base': sys.base_prefix}), 'packages': sysconfig.get_path('purelib'),"
        " 'version': importlib.metadata.version('ministack')}))"
    )
    return json.loads(subprocess.check_output([PYTHON, "-c", code], text=True))


def _fingerprint(layout: dict[str, str]) -> str:
    said = json.dumps(layout, sort_keys=True).encode() + Path(__file__).read_bytes()
    return hashlib.sha256(said).hexdigest()[:12]


def _import_image(client, name: str, layout: dict[str, str]) -> None:
    repository, _, tag = name.partition(":")
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": "/opt/ministack",
        "PYTHONHOME": str(Path(layout["stdlib"]).parents[1]),
        "PYTHONUNBUFFERED": "1",
        "HOME": "/tmp",
    }
    changes = [
        *(f"ENV {key}={value}" for key, value in environment.items()),
        f"CMD {json.dumps([layout['executable'], '-m', 'ministack'])}",
    ]
    with tempfile.TemporaryFile() as file:
        _write_root(file, layout)
        file.seek(0)
        answer = client.api.import_image_from_data(file, repository=repository, tag=tag, changes=changes)
    if "errorDetail" in answer:
        raise SystemExit(f"The image could not be imported: {answer}")


def _write_root(file, layout: dict[str, str]) -> None:
    """A root file system: the interpreter where it lies here, its libraries, a shell, the packages in /opt/ministack."""
    executable, stdlib = Path(layout["executable"]), Path(layout["stdlib"])
    programs = [executable, Path("/bin/sh")]
    extensions = [path for path in stdlib.rglob("*.so") if "site-packages" not in str(path) and _is_wanted(path)]
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, mode in (("tmp", 0o1777), ("opt", 0o755), ("etc", 0o755)):
            tar.addfile(_directory(name, mode))
        for path in [*programs, *_libraries([*programs, *extensions])]:
            tar.add(path.resolve(), arcname=str(path), recursive=False)
        tar.add(stdlib, arcname=str(stdlib), filter=_without(r"/site-packages(/|$)|/dist-packages(/|$)"))
        tar.add(layout["packages"], arcname="/opt/ministack", filter=_without(r"^$"))
        for alias in ("python", "python3", executable.name):
            tar.addfile(_link(f"usr/local/bin/{alias}", executable))


def _libraries(files: list[Path]) -> list[Path]:
    """The shared libraries that files are linked with, directly or not, at the paths where they are looked for."""
    said = subprocess.run(["ldd", *files], capture_output=True, text=True, check=False).stdout
    return sorted({Path(found) for found in re.findall(r"(?:=> |^\t)(/\S+) \(", said, re.MULTILINE)})


def _is_wanted(path: Path) -> bool:
    return LEFT_OUT.search(str(path)) is None


def _without(pattern: str):
    """A filter of tar's: what is left out always, and what a pattern says; owned by root."""
    more = re.compile(pattern)

    def keep(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if LEFT_OUT.search(f"/{member.name}") or more.search(member.name):
            return None
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        return member

    return keep


def _directory(name: str, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    return entry


def _link(name: str, target: Path) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, str(target)
    return entry


def main(verb: str) -> None:
    """Do as the command line says."""
    if verb == "start":
        print(f"export DOCKER_HOST={start()}")
    elif verb == "image":
        print(build_image(start()))
    elif verb == "stop":
        stop()
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else "")
