"""
What `sam build` makes, for machines on which it cannot run: each function's code with its packages, and a template that points there.

    python tests/deployed/build.py              all scenarios
    python tests/deployed/build.py DIRECTORY    these projects

`sam build` itself wants an interpreter of each runtime (python3.12 here) or a container of AWS's, and takes a minute and 350 MB to install.
Pip needs none of that: it is told the runtime and the architecture that the template names. The result lies where SAM's would,
in `.aws-sam/build`, and a stage that is deployed finds it there. What is newer than its sources is left as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "build" / "packages"

FUNCTION = "AWS::Serverless::Function"
PLATFORMS = {"x86_64": "manylinux2014_x86_64", "arm64": "manylinux2014_aarch64"}
"""What pip calls Lambda's architectures; the same that `sam build` asks for."""


def build(directory: Path) -> None:
    """Build one project, unless the build that is there is newer than what it is made of."""
    from stagefright.targets.deploying.sam_build import BUILT
    from stagefright.templates import find_template, read_project
    from stagefright.templates.artifacts import replaced

    project = read_project(find_template(directory))
    output = directory.resolve() / BUILT
    if _is_fresh(project, output):
        return
    shutil.rmtree(output.parent, ignore_errors=True)
    [stack] = project.stacks
    places = {artifact: _built(artifact, stack.template, output.parent) for artifact in stack.artifacts}
    output.parent.mkdir(parents=True, exist_ok=True)
    # JSON is YAML; the intrinsic functions have their long form already.
    output.write_text(json.dumps(replaced(stack.template, places), indent=2))


def _is_fresh(project, output: Path) -> bool:
    from stagefright.errors import StagefrightWarning
    from stagefright.targets.deploying.sam_build import built

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StagefrightWarning)
        return built(project).path == output and output.stat().st_mtime > Path(__file__).stat().st_mtime


def _built(artifact, template, place: Path) -> str:
    """What the property says in the built template: a function's own directory; for all else the way back to where it is."""
    if artifact.type != FUNCTION or not artifact.path.is_dir():
        return os.path.relpath(artifact.path, place)
    target = place / artifact.logical_id
    requirements = artifact.path / "requirements.txt"
    if requirements.is_file():
        shutil.copytree(_packages(requirements, *_runtime(template, artifact.logical_id)), target)
    shutil.copytree(artifact.path, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return artifact.logical_id


def _runtime(template, function: str) -> tuple[str, str]:
    """The runtime and the architecture of a function: its own, else the template's."""
    common = template.get("Globals", {}).get("Function", {})
    properties = {**common, **template["Resources"][function].get("Properties", {})}
    return properties["Runtime"], properties.get("Architectures", ["x86_64"])[0]


def _packages(requirements: Path, runtime: str, architecture: str) -> Path:
    """A directory with the packages; several functions need the same ones, so each set is installed once."""
    said = f"{runtime} {architecture}\n{requirements.read_text()}"
    place = PACKAGES / hashlib.sha256(said.encode()).hexdigest()[:16]
    if not place.is_dir():
        PACKAGES.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=PACKAGES, prefix="making-") as making:
            _install(requirements, runtime, architecture, Path(making, "packages"))
            with contextlib.suppress(OSError):  # another process was first, with the same
                Path(making, "packages").rename(place)
    return place


def _install(requirements: Path, runtime: str, architecture: str, target: Path) -> None:
    command = [*_pip(runtime, architecture), "--target", target, "-r", requirements]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(f"The packages of {requirements} could not be installed:\n{done.stdout}")
    shutil.rmtree(target / "bin", ignore_errors=True)


def _pip(runtime: str, architecture: str) -> Iterator[str]:
    yield from (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-compile")
    yield from ("--implementation", "cp", "--python-version", runtime.removeprefix("python"))
    yield from ("--platform", PLATFORMS[architecture], "--only-binary", ":all:")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    named = [Path(name) for name in sys.argv[1:]]
    for one in named or sorted(path.parent for path in ROOT.glob("scenarios/*/template.yaml")):
        build(one)
