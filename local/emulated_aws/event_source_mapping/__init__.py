"""An event source mapping from Kinesis to a function that follows AWS's rules, which no emulator does.

Start with `EventSourceMapping`. `delivery` gathers batches, `bisect_and_retry` has the rules for failed ones,
and `aws_adapters` has the stream and the on-failure destination on AWS.
"""

from local.emulated_aws.event_source_mapping.mapping import EventSourceMapping, MappingEndedError, Progress
from local.emulated_aws.event_source_mapping.ports import (
    Clock,
    DestinationUnavailableError,
    FailureDestination,
    Function,
    FunctionError,
    FunctionNotReachedError,
    IteratorExpiredError,
    Page,
    Position,
    Shard,
    Stream,
    StreamRecord,
    StreamUnavailableError,
)
from local.emulated_aws.event_source_mapping.settings import (
    InvalidSettingError,
    MappingSettings,
    StartingPosition,
)
from local.emulated_aws.event_source_mapping.waiting import SystemClock

__all__ = [
    "Clock",
    "DestinationUnavailableError",
    "EventSourceMapping",
    "FailureDestination",
    "Function",
    "FunctionError",
    "FunctionNotReachedError",
    "InvalidSettingError",
    "IteratorExpiredError",
    "MappingEndedError",
    "MappingSettings",
    "Page",
    "Position",
    "Progress",
    "Shard",
    "StartingPosition",
    "Stream",
    "StreamRecord",
    "StreamUnavailableError",
    "SystemClock",
]
