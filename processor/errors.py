"""One error per reaction.

PipelineError
├── SettingsError       the start fails: an environment variable is missing or wrong
├── EventError          the invocation fails: the event is not one this function is for
├── DependencyFailed    the batch is retried from its first unfinished record
├── CacheUnavailable    the invalidation is recorded and made up for later
└── CatalogRefused      the table refused what validation let through: isolate the record, quarantine it

A bad record is no exception but a value (`updates.Rejection`). What is not in this tree nobody foresaw:
it leaves the handler as it is, so that Lambda halves the batch until the culprit is alone.
"""


class PipelineError(Exception):
    """Base of all errors this package raises on purpose."""


class SettingsError(PipelineError):
    """An environment variable (or a secret it points to) is missing or wrong; the message names it."""


class EventError(PipelineError):
    """The invocation's event is neither a Kinesis batch nor the scheduled drain."""


class DependencyFailed(PipelineError):
    """The database, a bucket or a secret could not be reached, or did not answer in time."""


class CacheUnavailable(PipelineError):
    """Redis is down, slow or read-only."""


class CatalogRefused(PipelineError):
    """The catalog's table refused a value (SQLSTATE class 22 or 23)."""
