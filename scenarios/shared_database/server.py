"""
A PostgreSQL server that is thrown away afterwards, for whoever has the programs and no server.

    python scenarios/shared_database/server.py     # prints ORDERS_DATABASE_URL=..., and runs until Ctrl-C
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql")
PASSWORD = "secret"
STARTED_WITHIN_S = 60


def programs() -> Path | None:
    """The directory of `initdb` and `postgres`, or None."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda file: int(file.parts[-3]))
    return versions[-1].parent if versions else None


@contextlib.contextmanager
def running(folder: Path, *, also_at: str | None = None) -> Iterator[str]:
    """
    A server in an empty folder while the block lasts; gives the URL of its superuser.

    It listens on loopback, and at another address of this machine, if one is given, to those of the same network.
    """
    binaries = programs()
    assert binaries is not None, "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    data, log = _initialised(folder, binaries), folder / "log"
    if also_at:
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet scram-sha-256\n")
    port = _free_port()
    settings = {
        "listen_addresses": ",".join(filter(None, ["127.0.0.1", also_at])),
        "port": port,
        "unix_socket_directories": folder,
        "fsync": "off",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with log.open("wb") as output:
        command = _as_nobody_special([binaries / "postgres", "-D", data, *options])
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
    try:
        _wait_for(process, port, log)
        yield f"postgresql://admin:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run(
            _as_nobody_special([binaries / "pg_ctl", "-D", data, "stop", "-m", "immediate"]),
            check=False,
            capture_output=True,
            cwd=folder,
        )
        process.wait()


def _initialised(folder: Path, binaries: Path) -> Path:
    """The directory of a new server's data."""
    (folder / "password").write_text(PASSWORD)
    folder.chmod(0o755)
    if os.getuid() == 0:
        for path in (folder, folder / "password"):
            shutil.chown(path, "postgres", "postgres")
    data = folder / "data"
    flags = ["-U", "admin", "-A", "scram-sha-256", "--no-sync", "-E", "UTF8", f"--pwfile={folder / 'password'}"]
    subprocess.run(
        _as_nobody_special([binaries / "initdb", "-D", data, *flags]), check=True, capture_output=True, cwd=folder
    )
    return data


def _as_nobody_special(command: list[object]) -> list[str]:
    """PostgreSQL does not run as root."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    return [*prefix, *map(str, command)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        # It listens before it answers; it says in its log when it does.
        if b"ready to accept connections" in log.read_bytes():
            return
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL did not start on port {port}:\n{log.read_text()}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place, running(Path(place)) as url:
        print(f"ORDERS_DATABASE_URL={url}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)
