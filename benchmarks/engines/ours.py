"""The processor as Lambda runs it: its handler, with every guarantee."""

import os
from collections.abc import Callable
from typing import Any

from benchmarks.engine import Addresses, Engine

_BUDGET_MS = 300_000


class Context:
    """The context of an invocation that has five minutes."""

    aws_request_id = "benchmark"

    def get_remaining_time_in_millis(self) -> int:
        """Return the same for every invocation."""
        return _BUDGET_MS


def variables(addresses: Addresses) -> dict[str, str]:
    """Return the function's environment variables."""
    return {
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": addresses.s3_url,
        "ENVIRONMENT_SUFFIX": "benchmark",
        "ARCHIVE_BUCKET": addresses.bucket,
        "QUARANTINE_BUCKET": f"{addresses.bucket}-quarantine",
        "REDIS_ENDPOINT": addresses.redis_host,
        "REDIS_PORT": str(addresses.redis_port),
        "REDIS_TLS": "false",
        "REDIS_AUTH": "none",
        "DB_HOST": addresses.postgres.host,
        "DB_PORT": str(addresses.postgres.port),
        "DB_NAME": addresses.postgres.database,
        "DB_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:login",
        "DB_TLS": "disable",
    }


class Ours(Engine):
    """The handler, in this process."""

    name = "ours"
    _handler: Callable[[Any, Context], dict[str, Any]]

    def open(self, addresses: Addresses) -> None:
        os.environ.update(variables(addresses))
        from processor.handler import handler

        self._handler = handler

    def run(self, prepared: dict[str, Any]) -> int:
        failures = self._handler(prepared, Context())["batchItemFailures"]
        sequence_numbers = [record["kinesis"]["sequenceNumber"] for record in prepared["Records"]]
        return sequence_numbers.index(failures[0]["itemIdentifier"]) if failures else len(sequence_numbers)

    def close(self) -> None:
        """Leave it to the processor, which closes its connections when the process ends."""
