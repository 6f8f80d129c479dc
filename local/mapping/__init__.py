"""An event source mapping, Kinesis to function, that follows AWS's rules, since no emulator does.

`EventSourceMapping` is the way in; `local.mapping.aws` has its stream and failure destination on AWS.
"""

from local.mapping.event_source_mapping import EventSourceMapping, MappingEndedError, Progress
from local.mapping.pace import SystemClock
from local.mapping.ports import (
    Clock,
    DestinationUnavailableError,
    FailureDestination,
    Function,
    FunctionError,
    FunctionNotReachedError,
    IteratorExpiredError,
    Page,
    Position,
    Record,
    Shard,
    Stream,
    StreamUnavailableError,
)
from local.mapping.settings import InvalidSettingError, MappingSettings, StartingPosition

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
    "Record",
    "Shard",
    "StartingPosition",
    "Stream",
    "StreamUnavailableError",
    "SystemClock",
]
