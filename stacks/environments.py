"""The settings of every environment, side by side; imports no cdktf.

Fields have no default, so that what an environment pays for and what protects it is written where it is
chosen.
"""

import re
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal, get_args

ARCHIVE_DAYS = 1095
"""Three years: how long we must be able to prove what we were told."""

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[1-9]")
_SUFFIX = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class SettingsError(ValueError):
    """A setting that cannot be deployed; the message names the field, its value and what is accepted."""


def _require_range(field: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise SettingsError(f"{field} is {value}; accepted: {low} to {high}")


class Removal(Enum):
    """What `destroy` may do to the parts that hold data."""

    WITH_CONTENTS = "removed with everything in them"
    WHEN_EMPTY = "removed only when they are empty"
    NEVER = "kept: Terraform refuses to plan their removal"


LockMode = Literal["GOVERNANCE", "COMPLIANCE"]


@dataclass(frozen=True, kw_only=True)
class Provisioned:
    """A stream with a fixed number of shards, paid by the shard hour."""

    shard_count: int

    def __post_init__(self) -> None:
        _require_range("stream.capacity.shard_count", self.shard_count, 1, 10_000)


@dataclass(frozen=True, kw_only=True)
class OnDemand:
    """A stream that AWS scales; `expected_shards` is what concurrency is planned for."""

    expected_shards: int

    def __post_init__(self) -> None:
        _require_range("stream.capacity.expected_shards", self.expected_shards, 1, 10_000)


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """The Kinesis stream.

    `retention_hours`: 24 to 8,760, the range of IncreaseStreamRetentionPeriod.
    """

    capacity: Provisioned | OnDemand
    retention_hours: int

    def __post_init__(self) -> None:
        _require_range("stream.retention_hours", self.retention_hours, 24, 8760)


@dataclass(frozen=True, kw_only=True)
class ObjectLock:
    """How long, from its arrival, no archived object version can be deleted or overwritten.

    GOVERNANCE lets a principal with `s3:BypassGovernanceRetention` delete early; COMPLIANCE lets nobody, the
    account's root included, and cannot be taken back for objects already written.
    """

    mode: LockMode
    days: int

    def __post_init__(self) -> None:
        if self.mode not in get_args(LockMode):
            raise SettingsError(f"archive.object_lock.mode is {self.mode!r}; accepted: {get_args(LockMode)}")
        _require_range("archive.object_lock.days", self.days, 1, 36_500)


@dataclass(frozen=True, kw_only=True)
class ArchiveSettings:
    """The archive bucket's ages in days since an object was written.

    `tiering_above_bytes`: only larger objects change storage class.
    `noncurrent_days`: how long a deletion can be undone where no lock forbids it.
    """

    intelligent_tiering_days: int
    glacier_instant_retrieval_days: int
    tiering_above_bytes: int
    expiry_days: int
    noncurrent_days: int
    incomplete_upload_days: int
    object_lock: ObjectLock | None

    def __post_init__(self) -> None:
        _require_range("archive.intelligent_tiering_days", self.intelligent_tiering_days, 0, 36_500)
        _require_range(
            "archive.glacier_instant_retrieval_days",
            self.glacier_instant_retrieval_days,
            self.intelligent_tiering_days + 1,
            36_500,
        )
        _require_range("archive.tiering_above_bytes", self.tiering_above_bytes, 0, 5 * 1024**4)
        _require_range(
            "archive.expiry_days", self.expiry_days, self.glacier_instant_retrieval_days + 1, 36_500
        )
        _require_range("archive.noncurrent_days", self.noncurrent_days, 1, 36_500)
        _require_range("archive.incomplete_upload_days", self.incomplete_upload_days, 1, 36_500)
        if self.object_lock is not None and self.object_lock.days > self.expiry_days:
            raise SettingsError(
                f"archive.object_lock.days is {self.object_lock.days}; accepted: 1 to {self.expiry_days} "
                "(archive.expiry_days), for an object cannot expire while it is locked"
            )


@dataclass(frozen=True, kw_only=True)
class EventSourceSettings:
    """How Lambda reads the stream.

    `maximum_record_age_hours`: older records are discarded to the on-failure destination; 1 to 168, where
    Lambda's own range ends.
    """

    maximum_record_age_hours: int

    def __post_init__(self) -> None:
        _require_range("event_source.maximum_record_age_hours", self.maximum_record_age_hours, 1, 168)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One stack's settings; `name` ends every physical name."""

    name: str
    region: str
    removal: Removal
    stream: StreamSettings
    archive: ArchiveSettings
    event_source: EventSourceSettings

    def __post_init__(self) -> None:
        if not _REGION.fullmatch(self.region):
            raise SettingsError(f"region is {self.region!r}; accepted: a region's code, such as 'us-east-1'")
        if self.stream.retention_hours <= self.event_source.maximum_record_age_hours:
            raise SettingsError(
                f"stream.retention_hours is {self.stream.retention_hours}; accepted: more than "
                f"{self.event_source.maximum_record_age_hours} (event_source.maximum_record_age_hours), "
                "or records expire before Lambda reports them"
            )
        if self.archive.object_lock is not None and self.removal is Removal.WITH_CONTENTS:
            raise SettingsError(
                f"removal is {self.removal.name}; accepted with archive.object_lock: "
                f"{Removal.WHEN_EMPTY.name} or {Removal.NEVER.name}, for locked objects cannot be deleted"
            )

    @property
    def stack_id(self) -> str:
        """The stack's name, as `cdktf deploy` takes it."""
        return f"{self.name}-stack"

    def physical_name(self, base: str) -> str:
        """Return the name of a resource that is unique in its account and region."""
        return f"{base}-{self.name}"

    def global_name(self, base: str, *, account_id: str) -> str:
        """Return the name of a bucket: all accounts share one namespace."""
        return f"{base}-{account_id}-{self.name}"


DEV = Environment(
    name="dev",
    region="us-east-1",
    removal=Removal.WITH_CONTENTS,
    stream=StreamSettings(capacity=Provisioned(shard_count=2), retention_hours=168),
    archive=ArchiveSettings(
        intelligent_tiering_days=30,
        glacier_instant_retrieval_days=90,
        tiering_above_bytes=1,
        expiry_days=ARCHIVE_DAYS,
        noncurrent_days=30,
        incomplete_upload_days=7,
        object_lock=None,
    ),
    event_source=EventSourceSettings(maximum_record_age_hours=24),
)

STAGING = Environment(
    name="staging",
    region="us-east-1",
    removal=Removal.WHEN_EMPTY,
    stream=StreamSettings(capacity=Provisioned(shard_count=2), retention_hours=168),
    archive=ArchiveSettings(
        intelligent_tiering_days=30,
        glacier_instant_retrieval_days=90,
        tiering_above_bytes=1,
        expiry_days=ARCHIVE_DAYS,
        noncurrent_days=30,
        incomplete_upload_days=7,
        object_lock=None,
    ),
    event_source=EventSourceSettings(maximum_record_age_hours=24),
)

PROD = Environment(
    name="prod",
    region="us-east-1",
    removal=Removal.NEVER,
    stream=StreamSettings(capacity=Provisioned(shard_count=2), retention_hours=168),
    archive=ArchiveSettings(
        intelligent_tiering_days=30,
        glacier_instant_retrieval_days=90,
        tiering_above_bytes=1,
        expiry_days=ARCHIVE_DAYS,
        noncurrent_days=30,
        incomplete_upload_days=7,
        object_lock=ObjectLock(mode="GOVERNANCE", days=ARCHIVE_DAYS),
    ),
    event_source=EventSourceSettings(maximum_record_age_hours=24),
)

ENVIRONMENTS = (DEV, STAGING, PROD)


def throwaway(suffix: str) -> Environment:
    """Return dev's settings under another name.

    20 characters keep the longest bucket name within S3's 63; RDS and ElastiCache identifiers allow no hyphen
    at the end and no two in a row.

    Raises: SettingsError.
    """
    if not _SUFFIX.fullmatch(suffix) or len(suffix) > 20:
        raise SettingsError(
            f"ENVIRONMENT_SUFFIX is {suffix!r}; accepted: 1 to 20 lower-case letters, digits and single "
            "hyphens, with a letter or digit at both ends"
        )
    reserved = [environment.name for environment in ENVIRONMENTS]
    if suffix in reserved:
        raise SettingsError(
            f"ENVIRONMENT_SUFFIX is {suffix!r}; accepted: any name but {', '.join(reserved)}, "
            "which have their stacks already"
        )
    return replace(DEV, name=suffix)
