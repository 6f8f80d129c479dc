"""Mistakes in what Terraform does with the stack."""

from tests.misconfigurations.misconfiguration import REMOVED, mistakes_in

_ARGUMENTS = "infrastructure/test_arguments.py::test_arguments_stay"
_IGNORED = "infrastructure/test_arguments.py::test_terraform_ignores_no_change_but_these"
_KEPT = "infrastructure/test_stacks.py::test_only_prod_keeps_what_holds_state"
_PROVIDER = "infrastructure/test_stacks.py::test_the_provider_tags_everything"
_DEPLOY = (
    "infrastructure/test_deploy_checks.py::test_refusals_are_preconditions_of_what_every_plan_reads_first"
)
_REPLICATION_GROUP = "aws_elasticache_replication_group.Cache_ReplicationGroup"
_PROCESSOR = "aws_lambda_function.Processor_Private_Function"

TERRAFORM = [
    *mistakes_in(
        "aws_db_instance.Database_Instance",
        _IGNORED,
        ("a database whose changes are ignored", "lifecycle.ignore_changes", "all"),
    ),
    *mistakes_in(
        _PROCESSOR, _IGNORED, ("code that is never updated", "lifecycle.ignore_changes", ["source_code_hash"])
    ),
    *mistakes_in(
        "aws_s3_bucket_policy.Archive_Private_Policy",
        _IGNORED,
        ("a bucket policy that may be changed by hand", "lifecycle.ignore_changes", ["policy"]),
    ),
    *mistakes_in(
        "aws_db_instance.Database_Instance",
        _KEPT,
        ("a database that may be destroyed", "lifecycle.prevent_destroy", False),
    ),
    *mistakes_in(
        "aws_s3_bucket.Archive_Private_Bucket",
        _KEPT,
        ("an archive that may be destroyed", "lifecycle.prevent_destroy", False),
    ),
    *mistakes_in(
        "aws_kinesis_stream.Stream",
        _KEPT,
        ("a stream that may be destroyed", "lifecycle.prevent_destroy", False),
    ),
    *mistakes_in(
        _REPLICATION_GROUP,
        _ARGUMENTS,
        (
            "a cache that is replaced with the network",
            "lifecycle.replace_triggered_by",
            ["aws_vpc.Network_Vpc"],
        ),
    ),
    *mistakes_in(
        "terraform",
        "infrastructure/test_stacks.py::test_terraform_is_one_that_keeps_passwords_out_of_the_state",
        ("a Terraform that has no write-only arguments", "required_version", ">= 1.5"),
    ),
    *mistakes_in(
        "terraform", _PROVIDER, ("any version of the provider", "required_providers.aws.version", ">= 5.0")
    ),
    *mistakes_in(
        "provider",
        _PROVIDER,
        ("no tags", "aws.0.default_tags", []),
        ("a name that each plan would take away again", "aws.0.default_tags.0.tags.Name", "catalog"),
        ("ignored tags", "aws.0.ignore_tags", [{"keys": ["Environment"]}]),
    ),
    *mistakes_in(
        "output",
        "infrastructure/test_stacks.py::test_outputs_keep_their_names",
        (
            "a password in the outputs",
            "Password",
            {"value": "${ephemeral.aws_secretsmanager_random_password.ReaderPassword.random_password}"},
        ),
    ),
    *mistakes_in(
        "data.aws_caller_identity.Account", _DEPLOY, ("a deploy without its checks", "lifecycle", REMOVED)
    ),
    *mistakes_in(
        "aws_lambda_invocation.Migrations_Invocation",
        "infrastructure/test_order.py::test_a_new_password_code_or_database_invokes_the_migrations",
        ("migrations that run once", "triggers.code", "the first"),
    ),
]
