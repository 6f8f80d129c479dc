"""The settings of each part; a wrong value is refused with its field and what is accepted.

Fields have no default, so that what an environment pays for and what protects it is
written where it is chosen.
"""

import re
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network
from typing import Literal, get_args

from stacks.config.instance_classes import MAX_CONNECTIONS
from stacks.config.supported_versions import END_OF_LIFE


class SettingsError(ValueError):
    """A setting that cannot be deployed; the message names the field, its value and what is accepted."""


def _require_range(field: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise SettingsError(f"{field} is {value}; accepted: {low} to {high}")


def _require_one_of(field: str, value: object, accepted: tuple[object, ...]) -> None:
    if value not in accepted:
        raise SettingsError(f"{field} is {value!r}; accepted: {', '.join(map(str, accepted))}")


class Removal(Enum):
    """What `destroy` may do to the parts that hold data."""

    WITH_CONTENTS = "removed with everything in them"
    WHEN_EMPTY = "removed, but for buckets that are not empty"
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
"""What CloudWatch Logs takes: PutRetentionPolicy's table."""

Architecture = Literal["arm64", "x86_64"]
LockMode = Literal["GOVERNANCE", "COMPLIANCE"]


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """The private network.

    `cidr`: a /16 to /20, of which each zone gets a sixteenth for private subnets and one for public ones.
    `zones`: how many availability zones.
    `nat_gateways`: how many zones get one, with public subnets for them; nothing here needs the internet.
    """

    cidr: str
    zones: int
    nat_gateways: int

    def __post_init__(self) -> None:
        try:
            prefix_length = IPv4Network(self.cidr).prefixlen
        except ValueError as error:
            raise SettingsError(f"network.cidr is {self.cidr!r}; accepted: such as '10.40.0.0/16'") from error
        _require_range("network.cidr's prefix length", prefix_length, 16, 20)
        _require_range("network.zones", self.zones, 2, 6)
        _require_range("network.nat_gateways", self.nat_gateways, 0, self.zones)


@dataclass(frozen=True, kw_only=True)
class Provisioned:
    """A stream with a fixed number of shards, paid by the shard hour."""

    shard_count: int

    def __post_init__(self) -> None:
        _require_range("stream.capacity.shard_count", self.shard_count, 1, 10_000)

    @property
    def planned_shards(self) -> int:
        """How many shards concurrency is planned for."""
        return self.shard_count


@dataclass(frozen=True, kw_only=True)
class OnDemand:
    """A stream that AWS scales; `expected_shards` is what concurrency is planned for."""

    expected_shards: int

    def __post_init__(self) -> None:
        _require_range("stream.capacity.expected_shards", self.expected_shards, 1, 10_000)

    @property
    def planned_shards(self) -> int:
        """How many shards concurrency is planned for."""
        return self.expected_shards


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
class QuarantineSettings:
    """The quarantine bucket, which holds rejected records and failed batches, and its queue.

    `expiry_days`: failed batches are kept for as long as the archive, of which they are a part.
    """

    expiry_days: int
    noncurrent_days: int
    incomplete_upload_days: int

    def __post_init__(self) -> None:
        _require_range("quarantine.expiry_days", self.expiry_days, 1, 36_500)
        _require_range("quarantine.noncurrent_days", self.noncurrent_days, 1, 36_500)
        _require_range("quarantine.incomplete_upload_days", self.incomplete_upload_days, 1, 36_500)


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """RDS for PostgreSQL.

    `credentials_version`: raise it by one, and the next deploy gives both roles new passwords.
    `storage_gb`, `storage_limit_gb`: what it begins with, and how far it may grow by itself.
    `idle_session_timeout_seconds`: after which the server closes a connection that a frozen execution
    environment left open.
    `detailed_insights`: Database Insights in its advanced mode, with 15 months of history.
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
    log_exports: bool

    def __post_init__(self) -> None:
        _require_one_of("database.engine_version", self.engine_version, tuple(END_OF_LIFE["PostgreSQL"]))
        _require_one_of("database.instance_class", self.instance_class, tuple(MAX_CONNECTIONS))
        _require_range("database.credentials_version", self.credentials_version, 1, 1_000_000)
        # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html: gp3 is 20 GiB to 64 TiB.
        _require_range("database.storage_gb", self.storage_gb, 20, 65_536)
        # RDS wants room to grow of a tenth at least.
        _require_range(
            "database.storage_limit_gb", self.storage_limit_gb, -(-self.storage_gb * 11 // 10), 65_536
        )
        _require_range("database.backup_retention_days", self.backup_retention_days, 0, 35)
        _require_range("database.idle_session_timeout_seconds", self.idle_session_timeout_seconds, 60, 86_400)


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """ElastiCache for Valkey, cluster mode disabled; with replicas it fails over by itself."""

    engine_version: str
    node_type: str
    replicas: int

    def __post_init__(self) -> None:
        _require_one_of("cache.engine_version", self.engine_version, tuple(END_OF_LIFE["Valkey"]))
        if not re.fullmatch(r"cache\.[a-z0-9]+\.[a-z0-9]+", self.node_type):
            raise SettingsError(f"cache.node_type is {self.node_type!r}; accepted: such as 'cache.t4g.micro'")
        _require_range("cache.replicas", self.replicas, 0, 5)


@dataclass(frozen=True, kw_only=True)
class FunctionSettings:
    """The processor's Lambda function.

    `reserved_concurrency`: None takes from what the account has left; a new account has 10 in all.
    `pool_size`: database connections an execution environment may open.
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
        _require_range("function.memory_mb", self.memory_mb, 256, 10_240)
        # Below, the margin of a batch's deadline leaves too little time to do anything in.
        _require_range("function.timeout_seconds", self.timeout_seconds, 10, 900)
        if self.reserved_concurrency is not None:
            _require_range("function.reserved_concurrency", self.reserved_concurrency, 1, 10_000)
        _require_range("function.pool_size", self.pool_size, 1, 100)


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """Every log group of the environment: the functions', and the database's where it exports its logs."""

    retention_days: int

    def __post_init__(self) -> None:
        _require_one_of("logs.retention_days", self.retention_days, LOG_RETENTION_DAYS)


@dataclass(frozen=True, kw_only=True)
class EventSourceSettings:
    """How Lambda reads the stream.

    `batch_size`, `window_seconds`: an invocation starts when either is reached.
    `parallelization_factor`: batches of one shard at once; records of a partition key stay in order.
    `maximum_record_age_hours`: older records are discarded to the on-failure destination; 1 to 168, where
    Lambda's own range ends.
    """

    batch_size: int
    window_seconds: int
    parallelization_factor: int
    maximum_record_age_hours: int

    def __post_init__(self) -> None:
        _require_range("event_source.batch_size", self.batch_size, 1, 10_000)
        # Lambda wants a window for more than ten records.
        _require_range("event_source.window_seconds", self.window_seconds, int(self.batch_size > 10), 300)
        _require_range("event_source.parallelization_factor", self.parallelization_factor, 1, 10)
        _require_range("event_source.maximum_record_age_hours", self.maximum_record_age_hours, 1, 168)


@dataclass(frozen=True, kw_only=True)
class AlarmSettings:
    """When people are told, and who.

    `emails`: who is told; each confirms once, by a link that AWS sends.
    `iterator_age_minutes`: how far behind the shop's stock and price may be.
    """

    emails: tuple[str, ...]
    iterator_age_minutes: int

    def __post_init__(self) -> None:
        for email in self.emails:
            if not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
                raise SettingsError(
                    f"alarms.emails holds {email!r}; accepted: an address such as 'a@b.example'"
                )
        _require_range("alarms.iterator_age_minutes", self.iterator_age_minutes, 1, 1440)
