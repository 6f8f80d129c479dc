"""The environments that tests use: a copy of those that are shipped in `stacks/config/environments.py`.

A copy, since a team sets its own values there, and adds environments: what tests and documents say of a stack
does not change with them. Who changes what is shipped changes it here too.
"""

from stacks.config.environments import Environment, throwaway
from stacks.config.network_settings import NetworkSettings, NewVpc
from stacks.config.settings import (
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
    StreamSettings,
)

_ARCHIVE_DAYS = 1095

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
        expiry_days=_ARCHIVE_DAYS,
        noncurrent_days=30,
        incomplete_upload_days=7,
        object_lock=None,
        athena_scan_limit_gb=10,
    ),
    quarantine=QuarantineSettings(expiry_days=_ARCHIVE_DAYS, noncurrent_days=30, incomplete_upload_days=7),
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
        expiry_days=_ARCHIVE_DAYS,
        noncurrent_days=30,
        incomplete_upload_days=7,
        object_lock=None,
        athena_scan_limit_gb=10,
    ),
    quarantine=QuarantineSettings(expiry_days=_ARCHIVE_DAYS, noncurrent_days=30, incomplete_upload_days=7),
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
        expiry_days=_ARCHIVE_DAYS,
        noncurrent_days=30,
        incomplete_upload_days=7,
        object_lock=ObjectLock(mode="GOVERNANCE", days=_ARCHIVE_DAYS),
        athena_scan_limit_gb=1_000,
    ),
    quarantine=QuarantineSettings(expiry_days=_ARCHIVE_DAYS, noncurrent_days=30, incomplete_upload_days=7),
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
    logs=LogSettings(retention_days=365, network_flows=True, bucket_access_days=_ARCHIVE_DAYS),
    event_source=EventSourceSettings(
        batch_size=1000, window_seconds=5, parallelization_factor=2, maximum_record_age_hours=24
    ),
    alarms=AlarmSettings(emails=(), iterator_age_minutes=5),
    replay=None,
)

ENVIRONMENTS = (DEV, STAGING, PROD)

PERMANENT = tuple(environment.name for environment in ENVIRONMENTS)

THROWAWAY = "pr-42"


def with_throwaway() -> tuple[Environment, ...]:
    """Return the environments and a throwaway one."""
    return (*ENVIRONMENTS, throwaway(THROWAWAY, ENVIRONMENTS))
