"""One error per reaction.

PipelineError
├── SettingsError       the start fails: an environment variable is missing or wrong
├── EventError          the invocation fails: the event is not one this function is for
├── DependencyError     the batch is retried from its first unfinished record
│   └── StatementTimeoutError   the database answers, but not this statement in time: do less at a time
├── CacheUnavailableError  the invalidation is recorded as pending and drained later
├── CatalogRefusedError    the table refused what validation accepted: isolate and quarantine the record
└── DamagedObjectError  a replay leaves out an object of the archive that is not as it was written

A bad record is a value (`updates.Rejection`), not an exception. An error that is not in this tree is
unexpected: the handler raises it, so that Lambda bisects the batch until the record that causes it is alone.
"""

from collections.abc import Iterable


class PipelineError(Exception):
    """Base of all errors this package raises on purpose."""


class SettingsError(PipelineError):
    """An environment variable (or a secret it points to) is missing or wrong; the message names it."""


class EventError(PipelineError):
    """The invocation's event is neither a Kinesis batch, nor the scheduled drain, nor a redrive."""


class DependencyError(PipelineError):
    """The database, a bucket or a secret could not be reached, or did not answer in time."""


class StatementTimeoutError(DependencyError):
    """A statement did not end in time on a live connection: it waits for a lock or does too much."""


class CacheUnavailableError(PipelineError):
    """Redis is down, slow or read-only."""


class CatalogRefusedError(PipelineError):
    """The catalog's table refused a value of an update, which validation should have rejected."""


class DamagedObjectError(PipelineError):
    """An object of the archive is not what was written: damaged, cut off, or another's."""


def reason_of(error: BaseException) -> str:
    """Return an error's type and message, for a log; also where its first argument is a number.

    PostgreSQL's DETAIL and HINT are left out: they quote rows and may differ from one attempt to the next.
    """
    first = error.args[0] if error.args else ""
    message = str(error) if isinstance(error, OSError) or not isinstance(first, str) else first
    if not message and isinstance(error, TimeoutError):
        message = "no answer within the time left"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def forget_tracebacks(errors: Iterable[BaseException]) -> None:
    """Drop the tracebacks of errors, and of those that they came from."""
    waiting, seen = list(errors), set()
    while waiting:
        error = waiting.pop()
        if id(error) not in seen:
            seen.add(id(error))
            error.__traceback__ = None
            waiting += [origin for origin in (error.__cause__, error.__context__) if origin is not None]
