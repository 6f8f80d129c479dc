"""Structured logs and embedded metrics on standard output: one line of each per batch, and one per reason."""

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial, wraps
from typing import ParamSpec

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit, single_metric

from processor.errors import reason_of
from processor.report import BatchReport, DrainReport

NAMESPACE = "ProductCatalog"
SERVICE = "inventory-processor"
_SUPPLIERS_SHOWN = 20


P = ParamSpec("P")


def _never_failing(publish: Callable[P, None]) -> Callable[P, None]:
    """Make `publish` write its error to stderr instead of raising it: the batch is already done."""

    @wraps(publish)
    def wrapped(*arguments: P.args, **options: P.kwargs) -> None:
        try:
            publish(*arguments, **options)
        except Exception as error:  # noqa: BLE001 a full or closed log must not retry a finished batch
            with suppress(Exception):
                sys.stderr.write(f"the log could not be written: {reason_of(error)}\n")

    return wrapped


class Telemetry:
    """Publishes what happened in each invocation, for people (log) and alarms (metrics)."""

    def __init__(self, environment_suffix: str) -> None:
        self._environment = environment_suffix
        # In ASCII: a supplier's name may hold a lone surrogate, which UTF-8 cannot encode.
        self._logger = Logger(
            service=SERVICE, json_serializer=partial(json.dumps, separators=(",", ":"), default=str)
        )
        self._metrics = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
        self._metrics.set_default_dimensions(environment=environment_suffix)

    @_never_failing
    def publish_batch(self, report: BatchReport, *, request_id: str, connections_in_use: int) -> None:
        """Log one batch's counts and errors, and emit its metrics."""
        self._log_errors(report, request_id)
        self._logger.info(
            "batch",
            request_id=request_id,
            records=report.records,
            accepted=report.accepted,
            rejected=dict(report.rejected),
            rejected_by_supplier=dict(report.rejected_by_supplier.most_common(_SUPPLIERS_SHOWN)),
            products_changed=report.products_changed,
            stale_updates=report.stale_updates,
            pending_invalidations_added=report.pending_invalidations_added,
            pending_invalidations_drained=report.pending_invalidations_drained,
            stage_ms={stage: round(spent, 1) for stage, spent in report.stage_ms.items()},
            first_unfinished=report.first_unfinished,
        )
        self._publish(
            {
                "KinesisRecords": report.kinesis_records,
                "RecordsIn": report.records,
                "RecordsAccepted": report.accepted,
                "RecordsRejected": report.rejected.total(),
                "ProductsChanged": report.products_changed,
                "StaleUpdatesIgnored": report.stale_updates,
                "PendingInvalidationsAdded": report.pending_invalidations_added,
                "PendingInvalidationsDrained": report.pending_invalidations_drained,
                "BatchesUnfinished": int(report.first_unfinished is not None),
                "ConnectionsInUse": connections_in_use,
            },
            {f"{stage.title()}Time": spent for stage, spent in report.stage_ms.items()},
        )
        for reason, count in report.rejected.items():
            with single_metric(
                name="RecordsRejectedByReason",
                unit=MetricUnit.Count,
                value=count,
                namespace=NAMESPACE,
                default_dimensions={
                    "service": SERVICE,
                    "environment": self._environment,
                    "reason": reason,
                },
            ):
                pass

    @_never_failing
    def publish_drain(self, report: DrainReport, *, request_id: str) -> None:
        """Log what one scheduled drain did, and emit its metric."""
        self._log_warnings(report.warnings, request_id)
        self._logger.info(
            "drain",
            request_id=request_id,
            pending_invalidations_drained=report.pending_invalidations_drained,
            pending_invalidations_expired=report.pending_invalidations_expired,
            another_process_drains=report.another_drains,
        )
        # A drain is counted whatever came of it: an alarm goes off when there is none.
        drained = report.pending_invalidations_drained
        self._publish({"Drains": 1, "PendingInvalidationsDrained": drained}, {})

    def _log_errors(self, report: BatchReport, request_id: str) -> None:
        for error in report.unexpected:
            self._logger.error("unexpected error", request_id=request_id, exc_info=error)
        for error in report.failures:
            self._logger.error("batch unfinished", request_id=request_id, error=str(error))
        self._log_warnings(report.warnings, request_id)

    def _log_warnings(self, warnings: list[Exception], request_id: str) -> None:
        for error in warnings:
            self._logger.warning("degraded", request_id=request_id, error=reason_of(error))

    def _publish(self, counts: dict[str, int], times_ms: dict[str, float]) -> None:
        for name, count in counts.items():
            self._metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
        for name, spent in times_ms.items():
            self._metrics.add_metric(name=name, unit=MetricUnit.Milliseconds, value=round(spent, 3))
        self._metrics.flush_metrics()
