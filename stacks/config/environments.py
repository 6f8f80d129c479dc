"""Every environment's settings, side by side.

What the fields mean is in settings.py. Set your own values: tests use a copy of what is shipped
(tests/support/environments.py). To add an environment, write its `Environment` beside the others and its name
in `ENVIRONMENTS`, last. CONTRIBUTING.md says what else it needs.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from stacks.config.encryption_key import parse_key_arn
from stacks.config.instance_classes import MAX_CONNECTIONS
from stacks.config.network_settings import ExistingVpc, NetworkSettings, NewVpc
from stacks.config.regions import ZONE_IDS
from stacks.config.settings import (
    REPLAY_POOL_SIZE,
    AlarmSettings,
    ArchiveSettings,
    CacheSettings,
    DatabaseSettings,
    EventSourceSettings,
    FunctionSettings,
    LogSettings,
    ObjectLock,
    Provisioned,
    QuarantineSettings,
    Removal,
    ReplaySettings,
    SettingsError,
    StreamSettings,
)
from stacks.config.supported_versions import END_OF_LIFE
from stacks.config.tags import check_tags

ARCHIVE_DAYS = 1095
"""Three years: how long we must be able to prove what suppliers sent."""

BOOTSTRAP = "bootstrap"
"""The name that bootstrap-stack has in place of an environment's: their states may be in one folder."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# A longer one would exceed S3's 63 characters in a bucket's name and ElastiCache's 40 in a user's.
_LONGEST_NAME = 20
# RDS and ElastiCache identifiers allow neither a hyphen at the end nor two in a row.
ACCEPTED_NAMES = "1 to 20 lower-case letters, digits and single hyphens, with a letter or digit at both ends"
# A fifth stays free for the shop, which reads the primary on a miss, for migrations and for people.
_SHARE_OF_CONNECTIONS = 0.8
_SUPPORT_WARNING = timedelta(days=90)


@dataclass(frozen=True, kw_only=True)
class Support:
    """Sentences on versions: those that have reached their end of life, and those that soon will."""

    ended: tuple[str, ...]
    ending: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One stack's settings; every physical name ends with `name`.

    `encryption_key_arn`: the team's own KMS key, which then encrypts everything that the stack keeps; None:
    keys of AWS. Another key replaces the database and the cache (docs/adr/0022). `tags`: the team's own.

    Checks here involve two parts; those of a single part are in `settings`.
    """

    name: str
    region: str
    removal: Removal
    encryption_key_arn: str | None
    tags: Mapping[str, str]
    network: NetworkSettings
    stream: StreamSettings
    archive: ArchiveSettings
    quarantine: QuarantineSettings
    database: DatabaseSettings
    cache: CacheSettings
    function: FunctionSettings
    logs: LogSettings
    event_source: EventSourceSettings
    alarms: AlarmSettings
    replay: ReplaySettings | None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or len(self.name) > _LONGEST_NAME:
            raise SettingsError(f"name is {self.name!r}; accepted: {ACCEPTED_NAMES}")
        self._check_region()
        self._check_encryption_key()
        check_tags(self.tags)
        self._check_flow_logs()
        self._check_retention()
        self._check_concurrency()
        self._check_connections()

    def _check_region(self) -> None:
        if self.region not in ZONE_IDS:
            raise SettingsError(
                f"region is {self.region!r}; accepted: {', '.join(ZONE_IDS)}, whose RDS root certificates we "
                "ship (to add a region: scripts/rds_certificates.py, then stacks/config/regions.py)"
            )
        offered = ZONE_IDS[self.region]
        vpc = self.network.vpc
        if isinstance(vpc, NewVpc) and (missing := [id_ for id_ in vpc.zone_ids if id_ not in offered]):
            raise SettingsError(
                f"network.vpc.zone_ids has {', '.join(missing)}; accepted in {self.region}: "
                f"{', '.join(offered)} (stacks/config/regions.py)"
            )

    def _check_flow_logs(self) -> None:
        if isinstance(self.network.vpc, ExistingVpc) and self.logs.network_flows:
            raise SettingsError(
                "logs.network_flows is True; accepted in an existing VPC: False, since its flow logs, which "
                "show everybody's connections, are its owner's"
            )

    def _check_encryption_key(self) -> None:
        if self.encryption_key_arn is None:
            return
        region = parse_key_arn(self.encryption_key_arn).region
        if region != self.region:
            raise SettingsError(
                f"encryption_key_arn is of a key in {region}; accepted: a key in {self.region} (region)"
            )

    def _check_retention(self) -> None:
        maximum_age = self.event_source.maximum_record_age_hours
        if self.stream.retention_hours <= maximum_age:
            raise SettingsError(
                f"stream.retention_hours is {self.stream.retention_hours}; accepted: more than "
                f"{maximum_age} (event_source.maximum_record_age_hours), "
                "since records would expire before Lambda reports them"
            )
        if self.quarantine.expiry_days < self.archive.expiry_days:
            raise SettingsError(
                f"quarantine.expiry_days is {self.quarantine.expiry_days}; accepted: at least "
                f"{self.archive.expiry_days} (archive.expiry_days), since a failed batch is kept nowhere else"
            )
        if self.archive.object_lock is not None and self.removal is Removal.WITH_CONTENTS:
            raise SettingsError(
                f"removal is {self.removal.name}; accepted with archive.object_lock: "
                f"{Removal.WHEN_EMPTY.name} or {Removal.NEVER.name}, since locked objects cannot be deleted"
            )

    def _check_concurrency(self) -> None:
        reserved = self.function.reserved_concurrency
        if reserved is not None and reserved < self._wanted_concurrency:
            raise SettingsError(
                f"function.reserved_concurrency is {reserved}; accepted: at least {self._wanted_concurrency} "
                "(shards × event_source.parallelization_factor, one for the drain and one for a redrive), "
                "since shards would wait for each other"
            )

    def _check_connections(self) -> None:
        allowed = self.allowed_connections
        if self.most_connections > allowed:
            left = allowed - self.replay_connections
            largest = max(0, left) // (2 * self.planned_concurrency)
            raise SettingsError(
                f"function.pool_size is {self.function.pool_size}; accepted with a concurrency of "
                f"{self.planned_concurrency}: {f'at most {largest}' if largest else 'none'}, since "
                "2 × concurrency × pool size may be open (frozen execution environments keep theirs) and "
                f"{self.database.instance_class} has {allowed} for the processor"
                + (
                    f", of which replay.concurrency takes {self.replay_connections}"
                    if self.replay is not None
                    else ""
                )
            )

    @property
    def _wanted_concurrency(self) -> int:
        shards = self.stream.capacity.planned_shards
        return shards * self.event_source.parallelization_factor + 2

    @property
    def planned_concurrency(self) -> int:
        """The maximum number of the function's execution environments that work concurrently."""
        return self.function.reserved_concurrency or self._wanted_concurrency

    @property
    def most_connections(self) -> int:
        """How many database connections the functions may hold: frozen execution environments keep theirs."""
        return 2 * self.planned_concurrency * self.function.pool_size + self.replay_connections

    @property
    def replay_connections(self) -> int:
        """How many of them are a replay's."""
        return 0 if self.replay is None else 2 * self.replay.concurrency * REPLAY_POOL_SIZE

    @property
    def allowed_connections(self) -> int:
        """How many of the database's connections the function may hold."""
        return int(MAX_CONNECTIONS[self.database.instance_class] * _SHARE_OF_CONNECTIONS)

    def check_support(self, today: date) -> Support:
        """Return which versions get no more security fixes, and which will get none within 90 days."""
        ended, ending = [], []
        for field, kind, version in (
            ("function.runtime", "Lambda runtime", self.function.runtime),
            ("database.engine_version", "PostgreSQL", self.database.engine_version),
            ("cache.engine_version", "Valkey", self.cache.engine_version),
        ):
            versions = END_OF_LIFE[kind]
            last_day = versions[version]
            supported = ", ".join(name for name, end in versions.items() if today <= end)
            accepted = f"accepted: {supported or 'none'} (stacks/config/supported_versions.py)"
            if today > last_day:
                ended.append(
                    f"{field} is {version!r}, which reached its end of life on {last_day}; {accepted}"
                )
            elif today > last_day - _SUPPORT_WARNING:
                ending.append(
                    f"{field} is {version!r}, which reaches its end of life on {last_day}; {accepted}"
                )
        return Support(ended=tuple(ended), ending=tuple(ending))

    @property
    def is_kept(self) -> bool:
        """Whether Terraform refuses to plan the removal of what holds state."""
        return self.removal is Removal.NEVER

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
    encryption_key_arn=None,
    tags={},
    network=NetworkSettings(
        vpc=NewVpc(cidr="10.40.0.0/16", zone_ids=("use1-az1", "use1-az2"), nat_gateways=0),
        shop_network=None,
    ),
    stream=StreamSettings(capacity=Provisioned(shard_count=2), retention_hours=168),
    archive=ArchiveSettings(
        intelligent_tiering_days=30,
        glacier_instant_retrieval_days=90,
        tiering_above_bytes=131_072,
        expiry_days=ARCHIVE_DAYS,
        noncurrent_days=30,
        incomplete_upload_days=7,
        object_lock=None,
        athena_scan_limit_gb=10,
    ),
    quarantine=QuarantineSettings(expiry_days=ARCHIVE_DAYS, noncurrent_days=30, incomplete_upload_days=7),
    database=DatabaseSettings(
        engine_version="18",
        instance_class="db.t4g.micro",
        credentials_version=1,
        storage_gb=20,
        storage_limit_gb=100,
        multi_az=False,
        backup_retention_days=0,
        idle_session_timeout_seconds=900,
        detailed_insights=False,
        monitoring_seconds=0,
        log_exports=False,
    ),
    cache=CacheSettings(engine_version="8.1", node_type="cache.t4g.micro", replicas=0),
    function=FunctionSettings(
        runtime="python3.13",
        architecture="arm64",
        memory_mb=512,
        timeout_seconds=60,
        reserved_concurrency=None,
        pool_size=3,
    ),
    logs=LogSettings(retention_days=7, network_flows=False, bucket_access_days=None),
    event_source=EventSourceSettings(
        batch_size=100, window_seconds=5, parallelization_factor=1, maximum_record_age_hours=24
    ),
    alarms=AlarmSettings(emails=(), iterator_age_minutes=15),
    replay=None,
)

STAGING = Environment(
    name="staging",
    region="us-east-1",
    removal=Removal.WHEN_EMPTY,
    encryption_key_arn=None,
    tags={},
    network=NetworkSettings(
        vpc=NewVpc(cidr="10.41.0.0/16", zone_ids=("use1-az1", "use1-az2"), nat_gateways=0),
        shop_network=None,
    ),
    stream=StreamSettings(capacity=Provisioned(shard_count=2), retention_hours=168),
    archive=ArchiveSettings(
        intelligent_tiering_days=30,
        glacier_instant_retrieval_days=90,
        tiering_above_bytes=131_072,
        expiry_days=ARCHIVE_DAYS,
        noncurrent_days=30,
        incomplete_upload_days=7,
        object_lock=None,
        athena_scan_limit_gb=10,
    ),
    quarantine=QuarantineSettings(expiry_days=ARCHIVE_DAYS, noncurrent_days=30, incomplete_upload_days=7),
    database=DatabaseSettings(
        engine_version="18",
        instance_class="db.t4g.small",
        credentials_version=1,
        storage_gb=20,
        storage_limit_gb=100,
        multi_az=False,
        backup_retention_days=1,
        idle_session_timeout_seconds=900,
        detailed_insights=False,
        monitoring_seconds=0,
        log_exports=True,
    ),
    cache=CacheSettings(engine_version="8.1", node_type="cache.t4g.micro", replicas=0),
    function=FunctionSettings(
        runtime="python3.13",
        architecture="arm64",
        memory_mb=1024,
        timeout_seconds=60,
        reserved_concurrency=4,
        pool_size=3,
    ),
    logs=LogSettings(retention_days=30, network_flows=False, bucket_access_days=None),
    event_source=EventSourceSettings(
        batch_size=500, window_seconds=5, parallelization_factor=1, maximum_record_age_hours=24
    ),
    alarms=AlarmSettings(emails=(), iterator_age_minutes=15),
    replay=None,
)

PROD = Environment(
    name="prod",
    region="us-east-1",
    removal=Removal.NEVER,
    encryption_key_arn=None,
    tags={},
    network=NetworkSettings(
        vpc=NewVpc(cidr="10.42.0.0/16", zone_ids=("use1-az1", "use1-az2", "use1-az4"), nat_gateways=0),
        shop_network=None,
    ),
    stream=StreamSettings(capacity=Provisioned(shard_count=4), retention_hours=168),
    archive=ArchiveSettings(
        intelligent_tiering_days=30,
        glacier_instant_retrieval_days=90,
        tiering_above_bytes=131_072,
        expiry_days=ARCHIVE_DAYS,
        noncurrent_days=30,
        incomplete_upload_days=7,
        object_lock=ObjectLock(mode="GOVERNANCE", days=ARCHIVE_DAYS),
        athena_scan_limit_gb=1_000,
    ),
    quarantine=QuarantineSettings(expiry_days=ARCHIVE_DAYS, noncurrent_days=30, incomplete_upload_days=7),
    database=DatabaseSettings(
        engine_version="18",
        instance_class="db.m7g.large",
        credentials_version=1,
        storage_gb=20,
        storage_limit_gb=100,
        multi_az=True,
        backup_retention_days=14,
        idle_session_timeout_seconds=900,
        detailed_insights=True,
        monitoring_seconds=60,
        log_exports=True,
    ),
    cache=CacheSettings(engine_version="8.1", node_type="cache.m7g.large", replicas=1),
    function=FunctionSettings(
        runtime="python3.13",
        architecture="arm64",
        memory_mb=1024,
        timeout_seconds=60,
        reserved_concurrency=10,
        pool_size=3,
    ),
    logs=LogSettings(retention_days=365, network_flows=True, bucket_access_days=ARCHIVE_DAYS),
    event_source=EventSourceSettings(
        batch_size=1000, window_seconds=5, parallelization_factor=2, maximum_record_age_hours=24
    ),
    alarms=AlarmSettings(emails=(), iterator_age_minutes=5),
    replay=None,
)

ENVIRONMENTS = (DEV, STAGING, PROD)
"""Dev is the first: a throwaway environment takes its settings."""


def environment_of(stack_id: str, environments: Sequence[Environment]) -> Environment:
    """Return the environment of a stack.

    Raises: SettingsError if there is no such stack.
    """
    by_stack = {environment.stack_id: environment for environment in environments}
    if stack_id not in by_stack:
        raise SettingsError(
            f"STACK is {stack_id!r}; accepted: {', '.join(by_stack)}, "
            "and with ENVIRONMENT_SUFFIX the stack of a throwaway environment"
        )
    return by_stack[stack_id]


def throwaway(suffix: str, environments: Sequence[Environment] = ENVIRONMENTS) -> Environment:
    """Return the first environment's settings, dev's, with another name than any of them has.

    It has no way to a shop in a network of its own, which leads from dev's own VPC.

    Raises: SettingsError.
    """
    base = environments[0]
    reserved = [*(environment.name for environment in environments), BOOTSTRAP]
    if suffix in reserved:
        raise SettingsError(
            f"ENVIRONMENT_SUFFIX is {suffix!r}; accepted: any name except {', '.join(reserved)}, "
            "which already have stacks"
        )
    network = base.network
    if isinstance(network.vpc, NewVpc):
        network = replace(network, shop_network=None)
    try:
        return replace(base, name=suffix, network=network)
    except SettingsError as error:
        raise SettingsError(f"ENVIRONMENT_SUFFIX is {suffix!r}; accepted: {ACCEPTED_NAMES}") from error
