"""What a role needs to use what the team's key encrypts; nothing where an environment has no such key.

Only the services call KMS, with the role's rights, so each statement names the service (`kms:ViaService`) and
the resource (the encryption context; none for messages): a role cannot call KMS itself. That is also why the
private network needs no endpoint of KMS.
"""

from collections.abc import Sequence

from stacks.config.encryption_key import parse_key_arn
from stacks.config.environments import Environment
from stacks.policies import Statement, allow_if, equals


def encrypt_stream(config: Environment, stream_arn: str) -> list[Statement]:
    """Return what a producer needs.

    https://docs.aws.amazon.com/streams/latest/dev/permissions-user-key-KMS.html
    """
    return _use_key(
        config, "EncryptRecords", "kms:GenerateDataKey", "kinesis", "aws:kinesis:arn", [stream_arn]
    )


def decrypt_stream(config: Environment, stream_arn: str) -> list[Statement]:
    """Return what a consumer needs; for an event source mapping, the role of its function.

    https://docs.aws.amazon.com/streams/latest/dev/permissions-user-key-KMS.html
    """
    return _use_key(config, "DecryptRecords", "kms:Decrypt", "kinesis", "aws:kinesis:arn", [stream_arn])


def encrypt_objects(config: Environment, bucket_arns: Sequence[str]) -> list[Statement]:
    """Return what writing objects needs; with an S3 Bucket Key, the context is the bucket.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html,
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    """
    return _use_key(config, "EncryptObjects", "kms:GenerateDataKey", "s3", "aws:s3:arn", bucket_arns)


def decrypt_objects(config: Environment, bucket_arns: Sequence[str]) -> list[Statement]:
    """Return what reading objects needs; with an S3 Bucket Key, the context is the bucket."""
    return _use_key(config, "DecryptObjects", "kms:Decrypt", "s3", "aws:s3:arn", bucket_arns)


def decrypt_messages(config: Environment) -> list[Statement]:
    """Return what receiving messages needs; AWS documents no encryption context.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
    """
    return _use_key(config, "DecryptMessages", "kms:Decrypt", "sqs")


def encrypt_executions(config: Environment, state_machine_arn: str) -> list[Statement]:
    """Return what a state machine needs for its executions; its service is the context's only one.

    https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html
    """
    if config.encryption_key_arn is None:
        return []
    ours = [equals("kms:EncryptionContext:aws:states:stateMachineArn", state_machine_arn)]
    actions = ["kms:Decrypt", "kms:GenerateDataKey"]
    return [allow_if("EncryptExecutions", actions, [config.encryption_key_arn], ours)]


def decrypt_secrets(config: Environment, secret_arns: Sequence[str]) -> list[Statement]:
    """Return what reading secrets needs.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
    """
    return _use_key(config, "DecryptLogins", "kms:Decrypt", "secretsmanager", "SecretARN", secret_arns)


def decrypt_variables(config: Environment, function_name: str) -> list[Statement]:
    """Return what a function needs for its environment variables.

    Lambda also grants it to the role when the function is created, but not to a role of the same name that
    is created later: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
    """
    if config.encryption_key_arn is None:
        return []
    key = parse_key_arn(config.encryption_key_arn)
    # Not a reference: the function needs the role's rights first.
    function_arn = f"arn:aws:lambda:{key.region}:{key.account_id}:function:{function_name}"
    return _use_key(
        config, "DecryptVariables", "kms:Decrypt", "lambda", "aws:lambda:FunctionArn", [function_arn]
    )


def _use_key(
    config: Environment, sid: str, action: str, service: str, context: str = "", values: Sequence[str] = ()
) -> list[Statement]:
    if config.encryption_key_arn is None:
        return []
    conditions = [equals("kms:ViaService", f"{service}.{config.region}.amazonaws.com")]
    if context:
        conditions.append(equals(f"kms:EncryptionContext:{context}", *values))
    return [allow_if(sid, [action], [config.encryption_key_arn], conditions)]
