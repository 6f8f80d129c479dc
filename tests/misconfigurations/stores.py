"""Mistakes in what keeps data: the database, the cache, buckets, the stream, the queue."""

from tests.misconfigurations.misconfiguration import REMOVED, mistakes_in

_ARGUMENTS = "infrastructure/test_arguments.py::test_arguments_stay"
_INSTANCE = "infrastructure/test_database.py::test_the_instance"
_PARAMETERS = "infrastructure/test_database.py::test_parameters"
_BUCKETS = "infrastructure/test_storage.py::test_every_bucket_is_private_encrypted_and_versioned"
_PROTECTED = "infrastructure/test_storage.py::test_environments_differ_in_what_protects_data"
_LIFECYCLE = (
    "infrastructure/test_storage.py"
    "::test_objects_expire_after_three_years_and_archived_ones_change_storage_class"
)
_LOCK = "infrastructure/test_storage.py::test_prod_locks_archived_objects_for_three_years"
_TLS = "infrastructure/test_storage.py::test_buckets_refuse_plain_http"
_STREAM = "infrastructure/test_storage.py::test_the_stream"
_QUEUE = "infrastructure/test_storage.py::test_the_queue_keeps_its_messages_for_14_days"
_SENDERS = "infrastructure/test_storage.py::test_only_our_bucket_may_send_to_the_queue"
_NOTIFICATION = "infrastructure/test_storage.py::test_only_failed_batches_are_sent_to_the_queue"
_USERS = "infrastructure/test_cache.py::test_users_may_run_only_named_commands_on_products_and_leases"
_REPLICATION_GROUP = "aws_elasticache_replication_group.Cache_ReplicationGroup"
_WORKGROUP = (
    "infrastructure/test_archive_queries.py"
    "::test_the_workgroup_says_where_results_go_and_what_a_query_may_read"
)
_TABLES = "infrastructure/test_archive_queries.py::test_a_table_finds_the_objects_by_day_and_shard"
_RESULTS = "infrastructure/test_archive_queries.py::test_results_go_after_a_week_and_with_the_stack"
_POLICY = "data.aws_iam_policy_document."

STORES = [
    *mistakes_in(
        "aws_db_instance.Database_Instance",
        _INSTANCE,
        ("a database on the internet", "publicly_accessible", True),
        ("a database that is not encrypted", "storage_encrypted", False),
        ("a database in one zone", "multi_az", False),
        ("no backups", "backup_retention_period", 0),
        ("no final snapshot", "skip_final_snapshot", True),
        ("a database that anybody may delete", "deletion_protection", False),
        ("no minor upgrades", "auto_minor_version_upgrade", False),
        ("insights for too short a time", "performance_insights_retention_period", 7),
        ("changes that wait for no window", "apply_immediately", True),
    ),
    *mistakes_in(
        "aws_db_instance.Database_Instance",
        _ARGUMENTS,
        ("major upgrades without a decision", "allow_major_version_upgrade", True),
        ("a maintenance window in the backups'", "maintenance_window", "mon:03:00-mon:04:00"),
        ("IOPS that so small a disk cannot have", "iops", 12000),
        ("enhanced monitoring without a role", "monitoring_role_arn", REMOVED),
        ("a replica of another database", "replicate_source_db", "other"),
    ),
    *mistakes_in(
        "aws_db_instance.Database_Instance",
        "infrastructure/test_database.py::test_no_password_is_in_the_stack",
        ("a password in the state", "password", "secret"),
    ),
    *mistakes_in(
        "aws_db_parameter_group.Database_Parameters",
        _PARAMETERS,
        ("a database that takes plain connections", "parameter.0.value", "0"),
        ("a parameter that changes in every plan", "parameter.0.apply_method", "immediate"),
    ),
    *mistakes_in(
        "aws_secretsmanager_secret.Writer_Secret",
        _ARGUMENTS,
        ("a login that is replicated", "replica", [{"region": "eu-west-1"}]),
    ),
    *mistakes_in(
        "aws_secretsmanager_secret.Reader_Secret",
        "infrastructure/test_database.py::test_only_prods_secrets_have_a_recovery_window",
        ("a login that is lost at once", "recovery_window_in_days", 0),
    ),
    *mistakes_in(
        "aws_secretsmanager_secret_version.Writer_Version",
        "infrastructure/test_database.py::test_logins_are_written_but_not_kept_in_the_state",
        ("a login in the state", "secret_string", "{}"),
    ),
    *mistakes_in(
        _REPLICATION_GROUP,
        "infrastructure/test_cache.py::test_the_replication_group",
        ("a cache without TLS", "transit_encryption_enabled", False),
        ("a cache that also takes plain connections", "transit_encryption_mode", "preferred"),
        ("a cache that is not encrypted", "at_rest_encryption_enabled", "false"),
        ("a cache without failover", "automatic_failover_enabled", False),
    ),
    *mistakes_in(
        "aws_elasticache_user.Cache_Shop_User",
        _USERS,
        ("a user of the cache who may do everything", "access_string", "on ~* +@all"),
        (
            "a user of the cache who may empty it",
            "access_string",
            "on ~product:* ~lease:* -@all +ping +get +getrange +set +del +evalsha +script|load"
            " +client|setinfo +flushall",
        ),
    ),
    *mistakes_in(
        "aws_elasticache_user.Cache_Shop_User",
        "infrastructure/test_cache.py::test_users_authenticate_with_iam",
        ("a user of the cache without a password", "authentication_mode.type", "no-password-required"),
    ),
    *mistakes_in(
        "aws_s3_bucket_public_access_block.Archive_Private_PublicAccess",
        _BUCKETS,
        ("a public bucket", "block_public_policy", False),
    ),
    *mistakes_in(
        "aws_s3_bucket_ownership_controls.Quarantine_Private_Ownership",
        _BUCKETS,
        ("access lists of objects", "rule.object_ownership", "ObjectWriter"),
    ),
    *mistakes_in(
        "aws_s3_bucket_versioning.Archive_Private_Versioning",
        _BUCKETS,
        ("no versions of objects", "versioning_configuration.status", "Suspended"),
    ),
    *mistakes_in(
        "aws_s3_bucket_server_side_encryption_configuration.Archive_Private_Encryption",
        _BUCKETS,
        ("a key that is not ours", "rule.0.apply_server_side_encryption_by_default.sse_algorithm", "aws:kms"),
    ),
    *mistakes_in(
        "aws_s3_bucket.Archive_Private_Bucket",
        _PROTECTED,
        ("a bucket that is destroyed with its objects", "force_destroy", True),
        ("an archive without a lock", "object_lock_enabled", False),
    ),
    *mistakes_in(
        "aws_s3_bucket_public_access_block.AccessLogs_Private_PublicAccess",
        _BUCKETS,
        ("public access logs", "block_public_policy", False),
        ("a bucket that the block does not protect", "bucket", "${aws_s3_bucket.Archive_Private_Bucket.id}"),
    ),
    *mistakes_in(
        "aws_s3_bucket_versioning.AccessLogs_Private_Versioning",
        _BUCKETS,
        ("no versions of access logs", "versioning_configuration.status", "Suspended"),
    ),
    *mistakes_in(
        "aws_s3_bucket_ownership_controls.AccessLogs_Private_Ownership",
        _BUCKETS,
        ("access lists of access logs", "rule.object_ownership", "ObjectWriter"),
    ),
    *mistakes_in(
        "aws_s3_bucket_policy.AccessLogs_Private_Policy",
        _BUCKETS,
        ("another bucket's policy", "policy", "${data.aws_iam_policy_document.Archive_Private_TlsOnly.json}"),
    ),
    *mistakes_in(
        "aws_s3_bucket_server_side_encryption_configuration.AccessLogs_Private_Encryption",
        _BUCKETS,
        ("encryption of another bucket", "bucket", "${aws_s3_bucket.Archive_Private_Bucket.id}"),
    ),
    *mistakes_in(
        "aws_s3_bucket.AccessLogs_Private_Bucket",
        _PROTECTED,
        ("access logs that are destroyed with the bucket", "force_destroy", True),
    ),
    *mistakes_in(
        "aws_s3_bucket_lifecycle_configuration.AccessLogs_Private_Lifecycle",
        _BUCKETS,
        ("lifecycle rules of another bucket", "bucket", "${aws_s3_bucket.Archive_Private_Bucket.id}"),
    ),
    *mistakes_in(
        "aws_s3_bucket_lifecycle_configuration.AccessLogs_Private_Lifecycle",
        _LIFECYCLE,
        ("lifecycle rules before versioning", "depends_on", REMOVED),
    ),
    *mistakes_in(
        f"{_POLICY}AccessLogs_Private_TlsOnly",
        _TLS,
        ("access logs that nobody reaches over TLS", "statement.1.condition.0.values.0", "true"),
    ),
    *mistakes_in(
        "aws_s3_bucket_object_lock_configuration.Archive_Lock",
        _LOCK,
        ("a lock that nobody can lift", "rule.default_retention.mode", "COMPLIANCE"),
        ("a lock of a year", "rule.default_retention.days", 365),
    ),
    *mistakes_in(
        "aws_s3_bucket_lifecycle_configuration.Archive_Private_Lifecycle",
        _LIFECYCLE,
        ("an archive that expires early", "rule.1.expiration.0.days", 30),
        ("an archive that must be restored to be read", "rule.0.transition.1.storage_class", "DEEP_ARCHIVE"),
    ),
    *mistakes_in(
        f"{_POLICY}Archive_Private_TlsOnly", _TLS, ("a bucket over plain HTTP", "statement.0.effect", "Allow")
    ),
    *mistakes_in(
        f"{_POLICY}Quarantine_Private_TlsOnly",
        _TLS,
        ("objects over plain HTTP", "statement.0.resources.1", REMOVED),
    ),
    *mistakes_in(
        "aws_kinesis_stream.Stream",
        _STREAM,
        ("a stream that is not encrypted", "encryption_type", "NONE"),
        ("records that expire before they are given up", "retention_period", 24),
        ("a stream of one shard", "shard_count", 1),
    ),
    *mistakes_in(
        "aws_sqs_queue.Quarantine_Queue",
        _QUEUE,
        ("failed batches that are lost after a minute", "message_retention_seconds", 60),
        ("a queue that is not encrypted", "sqs_managed_sse_enabled", False),
    ),
    *mistakes_in(
        f"{_POLICY}Quarantine_QueueAccess",
        _SENDERS,
        ("a queue that any bucket may send to", "statement.0.condition", []),
    ),
    *mistakes_in(
        "aws_s3_bucket_notification.Quarantine_Notification",
        _NOTIFICATION,
        ("a message for each rejected record", "queue.0.filter_prefix", ""),
        ("a notification of nothing that Lambda writes", "queue.0.filter_prefix", "lambda/"),
    ),
    *mistakes_in(
        "aws_db_parameter_group.Database_Parameters",
        _PARAMETERS,
        ("a parameter that waits for a restart", "parameter.3.apply_method", "pending-reboot"),
    ),
    *mistakes_in(
        "aws_athena_workgroup.Queries_Workgroup",
        _WORKGROUP,
        (
            "queries whose results go anywhere",
            "configuration.enforce_workgroup_configuration",
            False,
        ),
        ("queries without a limit", "configuration.bytes_scanned_cutoff_per_query", REMOVED),
        (
            "results that are not encrypted",
            "configuration.result_configuration.encryption_configuration",
            REMOVED,
        ),
        (
            "results in the archive",
            "configuration.result_configuration.output_location",
            "s3://${aws_s3_bucket.Archive_Private_Bucket.bucket}/",
        ),
        (
            "results in a bucket that may be another account's",
            "configuration.result_configuration.expected_bucket_owner",
            REMOVED,
        ),
        ("a workgroup that keeps the stack", "force_destroy", False),
    ),
    *mistakes_in(
        "aws_glue_catalog_table.Queries_Lines",
        _TABLES,
        ("a table of no projected days", "parameters", {"EXTERNAL": "TRUE"}),
        ("a table of one column too many", "storage_descriptor.columns.1", {"name": "x", "type": "string"}),
        (
            "lines that are divided at commas",
            "storage_descriptor.ser_de_info.parameters",
            {"field.delim": ","},
        ),
    ),
    *mistakes_in(
        "aws_glue_catalog_table.Queries_LinesOfShard",
        _TABLES,
        ("shards that a resharding hides", "parameters", {"projection.shard.type": "enum"}),
        ("a partition that no key has", "partition_keys.1.name", "shard_id"),
    ),
    *mistakes_in(
        "aws_s3_bucket_lifecycle_configuration.Queries_Private_Lifecycle",
        _RESULTS,
        ("results that are kept for years", "rule.0.expiration.0.days", 1095),
    ),
    *mistakes_in(
        "aws_s3_bucket_public_access_block.Queries_Private_PublicAccess",
        _BUCKETS,
        ("results on the internet", "block_public_policy", False),
    ),
    *mistakes_in(
        f"{_POLICY}Queries_Private_TlsOnly", _TLS, ("results over plain HTTP", "statement.0.effect", "Allow")
    ),
]
