"""Lambda's numbers, each with a name: the quotas and ranges of aws-semantics §1.2, §1.6, §1.8, §2.1, §3.5 and §4.1."""

from __future__ import annotations

MEBIBYTE = 1024 * 1024

FUNCTION_NAME_LENGTH_MAX = 64
QUALIFIER_LENGTH_MAX = 128
TIMEOUT_S = (1, 900)
TIMEOUT_DEFAULT_S = 3
MEMORY_MB = (128, 10_240)
MEMORY_DEFAULT_MB = 128
EPHEMERAL_STORAGE_MB = (512, 10_240)
EPHEMERAL_STORAGE_DEFAULT_MB = 512
DESCRIPTION_LENGTH_MAX = 256
HANDLER_LENGTH_MAX = 128
LAYERS_MAX = 5
TAGS_MAX = 50
INIT_PHASE_S = 10

ENVIRONMENT_BYTES_MAX = 4096
RESERVED_ENVIRONMENT_NAMES = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_MAX_CONCURRENCY",
        "AWS_LAMBDA_METADATA_API",
        "AWS_LAMBDA_METADATA_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
"""Names that Lambda sets itself and refuses in a function's configuration (§1.6)."""

RUNTIMES = (
    "nodejs16.x",
    "nodejs18.x",
    "nodejs20.x",
    "nodejs22.x",
    "nodejs24.x",
    "java8.al2",
    "java11",
    "java17",
    "java21",
    "java25",
    "python3.8",
    "python3.9",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "dotnet6",
    "dotnet8",
    "dotnet10",
    "ruby3.2",
    "ruby3.3",
    "ruby3.4",
    "provided.al2",
    "provided.al2023",
)
"""Runtimes that CreateFunction takes; older ones are refused, as AWS does once it has retired them."""

ARCHITECTURES = ("x86_64", "arm64")

ZIPPED_UPLOAD_BYTES_MAX = 70_167_211
"""The size of a CreateFunction request that carries a 50 MB zip in base64."""
UNZIPPED_BYTES_MAX = 262_144_000
CODE_STORAGE_BYTES = 80_530_636_800

SYNC_PAYLOAD_BYTES_MAX = 6 * MEBIBYTE
ASYNC_PAYLOAD_BYTES_MAX = 1 * MEBIBYTE
RESPONSE_BYTES_MAX = 6_291_556
"""The exact number in the text of an oversize response (§1.2)."""
CLIENT_CONTEXT_BYTES_MAX = 3583

ACCOUNT_CONCURRENCY = 1000
"""An account's default per Region; a setting of the stage can say otherwise (§1.8)."""
UNRESERVED_CONCURRENCY_MIN = 100
NEW_ENVIRONMENTS_MAX = 1000
NEW_ENVIRONMENTS_PERIOD_S = 10
"""How fast a function grows: so many new environments in so many seconds (§1.8)."""
REQUESTS_PER_CONCURRENCY_S = 10
"""How many requests a second each unit of concurrency may serve, however short they are (§1.8)."""
PROVISIONED_INIT_S = 130
"""How long the init phase of a provisioned environment may take, or its function's timeout if that is longer (§1.6)."""

ASYNC_RETRY_ATTEMPTS = (0, 2)
ASYNC_RETRY_ATTEMPTS_DEFAULT = 2
ASYNC_EVENT_AGE_S = (60, 21_600)
ASYNC_EVENT_AGE_DEFAULT_S = 21_600

BATCH_SIZE = (1, 10_000)
QUEUE_BATCH_SIZE_DEFAULT = 10
QUEUE_BATCH_SIZE_WITHOUT_WINDOW_MAX = 10
FIFO_BATCH_SIZE_MAX = 10
STREAM_BATCH_SIZE_DEFAULT = 100
BATCHING_WINDOW_S = (0, 300)
MAPPING_CONCURRENCY = (2, 1000)
POLLERS_MIN = (2, 200)
POLLERS_MAX = (2, 2000)
FILTERS_MAX = 5
FILTER_LENGTH_MAX = 4096
PARALLELIZATION_FACTOR = (1, 10)
STREAM_RETRY_ATTEMPTS = (-1, 10_000)
STREAM_RECORD_AGE_S = (60, 604_800)
FOREVER = -1
"""No bound: the default for a stream mapping's retry attempts and record age."""
TUMBLING_WINDOW_S = (0, 900)
LAYER_RUNTIMES_MAX = 15
