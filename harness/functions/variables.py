"""The environment variables that Lambda gives to a function (aws-semantics §1.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagefright.services.function import FunctionVersion

ACCESS_KEY_ID = "ASIASTAGEFRIGHT00000"
"""Credentials of every function: of the right shape, and worthless anywhere else."""


ON_DEMAND, PROVISIONED = "on-demand", "provisioned-concurrency"
"""How an environment came to be initialised, in AWS's words."""


def environment_variables(
    version: FunctionVersion, *, region: str, log_stream: str, initialization_type: str = ON_DEMAND
) -> dict[str, str]:
    """Lambda's own variables, overlaid with the function's."""
    return {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": "stagefright",
        "AWS_SESSION_TOKEN": "stagefright",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{version.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": version.function_name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(version.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": version.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": initialization_type,
        "AWS_LAMBDA_LOG_GROUP_NAME": version.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        **_log_settings(version),
        "LAMBDA_TASK_ROOT": str(version.code.root),
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": (
            "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
        ),
        "PYTHONPATH": "/var/runtime",
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "TZ": ":UTC",
        "_HANDLER": version.handler,
        **(version.environment or {}),
    }


def _log_settings(version: FunctionVersion) -> dict[str, str]:
    """What the runtime client learns of the function's `LoggingConfig`."""
    settings = {"AWS_LAMBDA_LOG_FORMAT": version.logging["LogFormat"]}
    level = version.logging.get("ApplicationLogLevel")
    return {**settings, "AWS_LAMBDA_LOG_LEVEL": level} if level else settings
