"""One error per reaction.

PipelineError
├── SettingsError       the start fails: an environment variable is missing or wrong
├── EventError          the invocation fails: the event is not one this function is for
├── DependencyError    the batch is retried from its first unfinished record
│   └── StatementTimeoutError   the database answers, but not to this statement in time: the work gets smaller
├── CacheUnavailableError    the invalidation is recorded as pending and drained later
└── CatalogRefusedError      the table refused what validation let through: isolate the record, quarantine it

A bad record is no exception but a value (`updates.Rejection`). What is not in this tree nobody foresaw:
it leaves the handler as it is, so that Lambda halves the batch until the culprit is alone.
"""


class PipelineError(Exception):
    """Base of all errors this package raises on purpose."""


class SettingsError(PipelineError):
    """An environment variable (or a secret it points to) is missing or wrong; the message names it."""


class EventError(PipelineError):
    """The invocation's event is neither a Kinesis batch nor the scheduled drain."""


class DependencyError(PipelineError):
    """The database, a bucket or a secret could not be reached, or did not answer in time."""


class StatementTimeoutError(DependencyError):
    """A statement did not end in time, on a connection that answers: it waits, or is too much at once."""


class CacheUnavailableError(PipelineError):
    """Redis is down, slow or read-only."""


class CatalogRefusedError(PipelineError):
    """The catalog's table refused a value of an update, which validation should have refused before."""


def reason_of(error: BaseException) -> str:
    """An error in words, for a log: its kind and its message, not only the number that stands first in some.

    PostgreSQL's without DETAIL and HINT, which quote rows and may differ from one attempt to the next.
    """
    first = error.args[0] if error.args else ""
    told = str(error) if isinstance(error, OSError) or not isinstance(first, str) else first
    if not told and isinstance(error, TimeoutError):
        told = "no answer within the time left"
    return f"{type(error).__name__}: {told}" if told else type(error).__name__
