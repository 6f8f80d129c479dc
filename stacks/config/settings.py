"""The settings of each part; the error for a wrong value names the field and the accepted values.

Those of the network are in network_settings.py.

Fields have no default, so that environments.py shows what an environment pays for and what protects it.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Literal, get_args

from stacks.config.instance_classes import MAX_CONNECTIONS
from stacks.config.supported_versions import END_OF_LIFE


class SettingsError(ValueError):
    """A setting that cannot be deployed; the message names the field, its value and the accepted values."""


def require_range(field: str, value: int, low: int, high: int) -> None:
    """Raise SettingsError unless the value is in the range, both ends included."""
    if not low <= value <= high:
        raise SettingsError(f"{field} is {value}; accepted: {low} to {high}")


def _require_one_of(field: str, value: object, accepted: tuple[object, ...]) -> None:
    if value not in accepted:
        raise SettingsError(f"{field} is {value!r}; accepted: {', '.join(map(str, accepted))}")


class Removal(Enum):
    """What `destroy` may do to resources that hold data."""

    WITH_CONTENTS = "removed with everything in them"
    WHEN_EMPTY = "removed, except buckets that are not empty"
    NEVER = "kept: Terraform refuses to plan their removal"


LOG_RETENTION_DAYS = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)
"""The values that CloudWatch Logs accepts, from the reference of PutRetentionPolicy."""

Architecture = Literal["arm64", "x86_64"]
LockMode = Literal["GOVERNANCE", "COMPLIANCE"]


@dataclass(frozen=True, kw_only=True)
class Provisioned:
    """A stream with a fixed number of shards, billed by the shard hour."""

    shard_count: int

    def __post_init__(self) -> None:
        require_range("stream.capacity.shard_count", self.shard_count, 1, 10_000)

    @property
    def planned_shards(self) -> int:
        """The number of shards for which concurrency is planned."""
        return self.shard_count


@dataclass(frozen=True, kw_only=True)
class OnDemand:
    """A stream that AWS scales; `expected_shards`: the number for which concurrency is planned."""

    expected_shards: int

    def __post_init__(self) -> None:
        require_range("stream.capacity.expected_shards", self.expected_shards, 1, 10_000)

    @property
    def planned_shards(self) -> int:
        """The number of shards for which concurrency is planned."""
        return self.expected_shards


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """The Kinesis stream.

    `retention_hours`: 24 to 8,760, the range of IncreaseStreamRetentionPeriod.
    """

    capacity: Provisioned | OnDemand
    retention_hours: int

    def __post_init__(self) -> None:
        require_range("stream.retention_hours", self.retention_hours, 24, 8760)


@dataclass(frozen=True, kw_only=True)
class ObjectLock:
    """For how long after its creation an archived object version cannot be deleted or overwritten.

    GOVERNANCE lets a principal with `s3:BypassGovernanceRetention` delete early. COMPLIANCE lets nobody, not
    even the account's root, and cannot be revoked for existing objects.
    """

    mode: LockMode
    days: int

    def __post_init__(self) -> None:
        if self.mode not in get_args(LockMode):
            raise SettingsError(f"archive.object_lock.mode is {self.mode!r}; accepted: {get_args(LockMode)}")
        require_range("archive.object_lock.days", self.days, 1, 36_500)


@dataclass(frozen=True, kw_only=True)
class ArchiveSettings:
    """The archive bucket; ages are in days since an object was written.

    `tiering_above_bytes`: only larger objects change storage class.
    `noncurrent_days`: how long a deleted object can be restored, where no lock prevents the deletion.
    `athena_scan_limit_gb`: what one query may read at most; Athena bills what it reads.
    """

    intelligent_tiering_days: int
    glacier_instant_retrieval_days: int
    tiering_above_bytes: int
    expiry_days: int
    noncurrent_days: int
    incomplete_upload_days: int
    object_lock: ObjectLock | None
    athena_scan_limit_gb: int

    def __post_init__(self) -> None:
        require_range("archive.intelligent_tiering_days", self.intelligent_tiering_days, 0, 36_500)
        require_range(
            "archive.glacier_instant_retrieval_days",
            self.glacier_instant_retrieval_days,
            self.intelligent_tiering_days + 1,
            36_500,
        )
        require_range("archive.tiering_above_bytes", self.tiering_above_bytes, 0, 5 * 1024**4)
        require_range(
            "archive.expiry_days", self.expiry_days, self.glacier_instant_retrieval_days + 1, 36_500
        )
        require_range("archive.noncurrent_days", self.noncurrent_days, 1, 36_500)
        require_range("archive.incomplete_upload_days", self.incomplete_upload_days, 1, 36_500)
        require_range("archive.athena_scan_limit_gb", self.athena_scan_limit_gb, 1, 1_000_000)
        if self.object_lock is not None and self.object_lock.days > self.expiry_days:
            raise SettingsError(
                f"archive.object_lock.days is {self.object_lock.days}; accepted: 1 to {self.expiry_days} "
                "(archive.expiry_days), since an object cannot expire while it is locked"
            )


@dataclass(frozen=True, kw_only=True)
class QuarantineSettings:
    """The quarantine bucket, which holds rejected records and failed batches, and its queue.

    `expiry_days`: at least the archive's, since failed batches are part of the archive.
    """

    expiry_days: int
    noncurrent_days: int
    incomplete_upload_days: int

    def __post_init__(self) -> None:
        require_range("quarantine.expiry_days", self.expiry_days, 1, 36_500)
        require_range("quarantine.noncurrent_days", self.noncurrent_days, 1, 36_500)
        require_range("quarantine.incomplete_upload_days", self.incomplete_upload_days, 1, 36_500)


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """RDS for PostgreSQL.

    `engine_version`: see database.py before a major upgrade.
    `credentials_version`: raised by one, it makes the next deploy give both roles new passwords.
    `storage_gb`, `storage_limit_gb`: the initial size, and how far it may grow automatically.
    `idle_session_timeout_seconds`: when the server closes a connection that a frozen execution environment
    left open.
    `detailed_insights`: Database Insights in its advanced mode, with 15 months of history.
    `monitoring_seconds`: how often the operating system's metrics are logged (enhanced monitoring); 0: never.
    `log_exports`: whether logs are sent to CloudWatch Logs.
    """

    engine_version: str
    instance_class: str
    credentials_version: int
    storage_gb: int
    storage_limit_gb: int
    multi_az: bool
    backup_retention_days: int
    idle_session_timeout_seconds: int
    detailed_insights: bool
    monitoring_seconds: int
    log_exports: bool

    def __post_init__(self) -> None:
        _require_one_of("database.engine_version", self.engine_version, tuple(END_OF_LIFE["PostgreSQL"]))
        _require_one_of("database.instance_class", self.instance_class, tuple(MAX_CONNECTIONS))
        require_range("database.credentials_version", self.credentials_version, 1, 1_000_000)
        # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html: gp3 is 20 GiB to 64 TiB.
        require_range("database.storage_gb", self.storage_gb, 20, 65_536)
        # RDS requires room to grow by at least a tenth.
        require_range(
            "database.storage_limit_gb", self.storage_limit_gb, -(-self.storage_gb * 11 // 10), 65_536
        )
        require_range("database.backup_retention_days", self.backup_retention_days, 0, 35)
        # MonitoringInterval in RDS's reference of CreateDBInstance.
        _require_one_of("database.monitoring_seconds", self.monitoring_seconds, (0, 1, 5, 10, 15, 30, 60))
        require_range("database.idle_session_timeout_seconds", self.idle_session_timeout_seconds, 60, 86_400)


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """ElastiCache for Valkey, cluster mode disabled; with replicas it fails over automatically.

    `engine_version`: a new cache's. AWS upgrades a running one to later minor versions; Terraform leaves its
    version alone.
    """

    engine_version: str
    node_type: str
    replicas: int

    def __post_init__(self) -> None:
        _require_one_of("cache.engine_version", self.engine_version, tuple(END_OF_LIFE["Valkey"]))
        if not re.fullmatch(r"cache\.[a-z0-9]+\.[a-z0-9]+", self.node_type):
            raise SettingsError(f"cache.node_type is {self.node_type!r}; accepted: such as 'cache.t4g.micro'")
        require_range("cache.replicas", self.replicas, 0, 5)


@dataclass(frozen=True, kw_only=True)
class FunctionSettings:
    """The processor's Lambda function.

    `reserved_concurrency`: None uses the account's unreserved concurrency; a new account has 10 in total.
    `pool_size`: database connections per execution environment. A large batch uses two if it may; the alarm
    on its use needs three.
    """

    runtime: str
    architecture: Architecture
    memory_mb: int
    timeout_seconds: int
    reserved_concurrency: int | None
    pool_size: int

    def __post_init__(self) -> None:
        _require_one_of("function.runtime", self.runtime, tuple(END_OF_LIFE["Lambda runtime"]))
        _require_one_of("function.architecture", self.architecture, get_args(Architecture))
        require_range("function.memory_mb", self.memory_mb, 256, 10_240)
        # With less, the safety margin of a batch's deadline leaves too little time for the work.
        require_range("function.timeout_seconds", self.timeout_seconds, 10, 900)
        if self.reserved_concurrency is not None:
            require_range("function.reserved_concurrency", self.reserved_concurrency, 1, 10_000)
        require_range("function.pool_size", self.pool_size, 1, 100)


REPLAY_POOL_SIZE = 1
"""Database connections per execution environment of a replay, which writes one chunk at a time."""


@dataclass(frozen=True, kw_only=True)
class ReplaySettings:
    """A state machine that replays the archive (docs/operating.md).

    `concurrency`: invocations at the same time, which is reserved; their connections count.
    `objects_per_invocation`: few enough for the timeout, some thousand updates per second.
    """

    concurrency: int
    objects_per_invocation: int
    timeout_seconds: int

    def __post_init__(self) -> None:
        require_range("replay.concurrency", self.concurrency, 1, 1_000)
        require_range("replay.objects_per_invocation", self.objects_per_invocation, 1, 1_000)
        require_range("replay.timeout_seconds", self.timeout_seconds, 60, 900)


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """How long logs are kept, and which of AWS's own there are.

    `retention_days`: of every log group: the functions', the flows', the database's exported logs.
    `network_flows`: whether the network's connections are logged, accepted and refused ones.
    `bucket_access_days`: how long S3's log of requests to the buckets is kept; None: there is no such log.
    """

    retention_days: int
    network_flows: bool
    bucket_access_days: int | None

    def __post_init__(self) -> None:
        _require_one_of("logs.retention_days", self.retention_days, LOG_RETENTION_DAYS)
        if self.bucket_access_days is not None:
            require_range("logs.bucket_access_days", self.bucket_access_days, 1, 36_500)


@dataclass(frozen=True, kw_only=True)
class EventSourceSettings:
    """How Lambda reads the stream.

    `batch_size`, `window_seconds`: an invocation starts when either is reached.
    `parallelization_factor`: concurrent batches per shard; the records of a partition key stay in order.
    `maximum_record_age_hours`: older records are sent to the on-failure destination; 1 to 168, where
    Lambda's own range ends.
    """

    batch_size: int
    window_seconds: int
    parallelization_factor: int
    maximum_record_age_hours: int

    def __post_init__(self) -> None:
        require_range("event_source.batch_size", self.batch_size, 1, 10_000)
        # Lambda requires a window for more than ten records.
        require_range("event_source.window_seconds", self.window_seconds, int(self.batch_size > 10), 300)
        require_range("event_source.parallelization_factor", self.parallelization_factor, 1, 10)
        require_range("event_source.maximum_record_age_hours", self.maximum_record_age_hours, 1, 168)


@dataclass(frozen=True, kw_only=True)
class AlarmSettings:
    """Who is notified, and when.

    `emails`: addresses to notify; each is confirmed once, with a link that AWS sends.
    `iterator_age_minutes`: how late the shop's stock and prices may be.
    """

    emails: tuple[str, ...]
    iterator_age_minutes: int

    def __post_init__(self) -> None:
        for email in self.emails:
            if not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
                raise SettingsError(
                    f"alarms.emails holds {email!r}; accepted: an address such as 'a@b.example'"
                )
        require_range("alarms.iterator_age_minutes", self.iterator_age_minutes, 1, 1440)
