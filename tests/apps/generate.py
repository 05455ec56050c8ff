"""
Makes anew what the Serverless Framework and CDK wrote for the applications beside this file: `python tests/apps/generate.py`.

It needs Node.js and its registry, but no AWS account. The tests read what is committed. What holds paths of this machine, or is large and never
read, is taken out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

APPS = Path(__file__).parent
TOOLS = APPS.parents[1] / "build" / "generators"
PACKAGES = ("serverless@3", "aws-cdk@2", "aws-cdk-lib@2", "constructs@10")
UNREAD = ("tree.json", "validation-report.json", "*.metadata.json", "cdk.out")


def main():
    TOOLS.mkdir(parents=True, exist_ok=True)
    run(["npm", "install", "--silent", "--prefix", TOOLS, *PACKAGES], TOOLS)
    for app in sorted(APPS.iterdir()):
        if (app / "serverless.yml").is_file():
            package(app)
        if (app / "cdk.json").is_file():
            synthesize(app)


def package(app):
    run([TOOLS / "node_modules/.bin/serverless", "package"], app)
    output = app / ".serverless"
    state = json.loads((output / "serverless-state.json").read_text())
    service = state["service"]
    functions = {name: {"package": {}, **keep(f, "handler", "name")} for name, f in service["functions"].items()}
    provider = keep(service["provider"], "name", "region", "runtime", "stage")
    slim = {
        "service": {"service": service["service"], "provider": provider, "functions": functions},
        "package": state["package"],
    }
    write(output / "serverless-state.json", slim)


def synthesize(app):
    # CDK's own command line notes in each resource where its path and its assets are; these settings make the app do that by itself.
    context = {"aws:cdk:enable-path-metadata": True, "aws:cdk:enable-asset-metadata": True}
    settings = {"CDK_OUTDIR": "cdk.out", "CDK_CONTEXT_JSON": json.dumps(context), "NODE_PATH": TOOLS / "node_modules"}
    run(["node", "app.js"], app, **settings)
    output = app / "cdk.out"
    for pattern in UNREAD:
        for file in output.rglob(pattern):
            if file.is_file():
                file.unlink()
    for file in output.rglob("manifest.json"):
        manifest = json.loads(file.read_text())
        manifest["artifacts"] = {
            name: {key: value for key, value in artifact.items() if key not in ("additionalMetadataFile", "metadata")}
            for name, artifact in manifest["artifacts"].items()
            if artifact["type"] not in ("cdk:tree", "cdk:feature-flag-report")
        }
        write(file, manifest)


def keep(mapping, *keys):
    return {key: mapping[key] for key in keys}


def write(file, value):
    file.write_text(json.dumps(value, indent=1) + "\n")


def run(command, directory, **environment):
    quiet = {"SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off"}
    texts = {name: str(value) for name, value in {**os.environ, **quiet, **environment}.items()}
    subprocess.run([str(part) for part in command], cwd=directory, env=texts, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()
