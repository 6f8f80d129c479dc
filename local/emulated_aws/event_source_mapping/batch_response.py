"""Parse the partial batch response: which records of its batch a function says are done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The whole batch is done."""


@dataclass(frozen=True, slots=True)
class FailedFrom:
    """The first `done` records are done (none if 0); the others are to be delivered again."""

    done: int


@dataclass(frozen=True, slots=True)
class Failed:
    """No record of the batch is done; `function_error` is None if the function returned a response."""

    function_error: str | None


@dataclass(frozen=True, slots=True)
class NotReached:
    """The batch did not reach the function."""


InvocationResult = Succeeded | FailedFrom | Failed | NotReached


def parse_response(response: object, sequence_numbers: Sequence[str]) -> Succeeded | FailedFrom | Failed:
    """Return what a response says, for a mapping with ReportBatchItemFailures.

    Args:
        response: parsed JSON, as the function returned it.
        sequence_numbers: the batch's, in order.

    Complete success: an empty or null response or batchItemFailures list. Complete failure: an itemIdentifier
    that is empty, null or under a wrong key. Otherwise the lowest sequence number is the checkpoint.
    Source: https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html.
    LocalStack's AWS-validated snapshots add that the response `[]` is a success (empty_list_success) and that
    the number 123 as identifier fails a batch of one (item_identifier_not_present_failure). Neither says
    more, so these rules are ours: the response `""` is empty, hence a success. An identifier that is not in
    the batch, a response that is not an object, or a batchItemFailures that is not a list does not say what
    is done, hence a complete failure.
    """
    if response is None or response in ("", {}, []):
        return Succeeded()
    if not isinstance(response, Mapping):
        return Failed(function_error=None)
    failures = response.get("batchItemFailures")
    if failures is None or failures == []:
        return Succeeded()
    if not isinstance(failures, list):
        return Failed(function_error=None)
    return _lowest(failures, {number: index for index, number in enumerate(sequence_numbers)})


def _lowest(failures: list[object], index_of: Mapping[str, int]) -> FailedFrom | Failed:
    identifiers = [
        failure.get("itemIdentifier") if isinstance(failure, Mapping) else None for failure in failures
    ]
    indexes = [
        index_of.get(identifier) if isinstance(identifier, str) else None for identifier in identifiers
    ]
    known = [index for index in indexes if index is not None]
    if len(known) < len(indexes):
        return Failed(function_error=None)
    return FailedFrom(done=min(known))
