"""The wheel: what is in it, and that the plugin works from it in a repository whose folders are called like ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("harness", "chaos", "fixtures")

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  GreetFunction:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.11
      CodeUri: src/
      Handler: app.handler
  Greetings:
    Type: AWS::SQS::Queue
"""

HANDLER = """
from chaos import mood  # the user's own package of that name, shipped with the function


def handler(event, context):
    return f"{mood()}, {event['name']}"
"""

TEST = """
import chaos.monkeys
import fixtures.people
import harness.horses


def test_greeting(stage):
    assert stage.invoke("GreetFunction", {"name": fixtures.people.amy()}).payload == "hello, amy"


def test_own_packages_are_the_ones_found():
    assert harness.horses.count() == 2
    assert chaos.monkeys.count() == 12
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """
    The wheel, built from a copy of what it needs.

    A copy, because setuptools puts whatever an earlier build left in `build/lib` into the next wheel too. Without
    isolation, because the `dev` extra brings the build backend, and an isolated build would download it every time.
    """
    home = tmp_path_factory.mktemp("build")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, home / name)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", cwd=home)
    (built,) = (home / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory) -> Path:
    """
    The interpreter of a fresh virtual environment that has the wheel.

    Installing moto and all the rest again would take a minute. The dependencies are borrowed instead, by a path file that
    appends this environment's packages. Path files in there are not followed, so the editable install stays behind:
    `stagefright` can only come from the wheel.
    """
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=False, symlinks=True)
    interpreter = home / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", interpreter, "install", "--no-deps", "--no-index", wheel, cwd=home)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (home / "lib" / version / "site-packages" / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return interpreter


@pytest.fixture
def repository(tmp_path) -> Path:
    """Somebody's repository, with packages called `harness`, `chaos` and `fixtures`, and a small SAM app."""
    files = {
        "template.yaml": TEMPLATE,
        "src/app.py": HANDLER,
        "src/chaos.py": "def mood(): return 'hello'\n",
        "harness/__init__.py": "",
        "harness/horses.py": "def count(): return 2\n",
        "chaos/__init__.py": "",
        "chaos/monkeys.py": "def count(): return 12\n",
        "fixtures/__init__.py": "",
        "fixtures/people.py": "def amy(): return 'amy'\n",
        "tests/test_greeting.py": TEST,
    }
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return tmp_path


def run(*command: object, cwd: Path) -> str:
    """Run a command, without AWS and Python settings; its output, or a failure that shows it."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON", "PYTEST"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=settings,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_one_top_level_package(wheel):
    """Nothing of ours is importable by the name of a folder: only `stagefright` is."""
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}

    assert {top for top in tops if not top.endswith(".dist-info")} == {"stagefright"}


def test_every_module_and_the_type_marker(wheel):
    """All that is in the folders is in the wheel, in its place, and type checkers may use it."""
    places = {"harness": "stagefright", "chaos": "stagefright/chaos", "fixtures": "stagefright/fixtures"}
    expected = {
        f"{places[folder]}/{file.relative_to(ROOT / folder)}"
        for folder in FOLDERS
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("stagefright/")}

    assert packed == expected
    assert "stagefright/py.typed" in packed


def test_entry_point_and_licence(wheel):
    """pytest finds the plugin by its entry point, and the licence travels along."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = (archive.read(name).decode() for name in names if name.endswith("entry_points.txt"))

    assert "[pytest11]\nstagefright = stagefright.fixtures.plugin" in entry_points
    assert any(name.endswith("LICENSE") for name in names)


def test_works_beside_packages_of_the_same_names(python, repository):
    """From the wheel, in a fresh environment, the plugin rehearses a repository with its own `chaos`, `fixtures`, `harness`."""
    origin = run(python, "-c", "import stagefright; print(stagefright.__file__)", cwd=repository)
    output = run(python, "-m", "pytest", "--stage=my-feature", "-p", "no:cacheprovider", cwd=repository)

    assert Path(origin.strip()).is_relative_to(python.parents[1])
    assert "2 passed" in output
