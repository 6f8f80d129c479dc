"""The policy that the team's key needs. The key is the team's, and so is its policy: no stack changes it.

The roles of the functions, of suppliers, of the shop and of whoever deploys have their rights on the key in
their own policies, which count because of the statement for the account. RDS, ElastiCache, Lambda and Secrets
Manager get theirs from whoever deploys: by a grant, or with every call.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from stacks.bootstrap.deploy_rights import resources
from stacks.config.encryption_key import parse_key_arn
from stacks.config.environments import Environment
from stacks.config.settings import SettingsError


def policy_for(stack_id: str, environments: Sequence[Environment]) -> dict[str, Any]:
    """Return the policy of the key that a stack uses, for all of these environments that use it.

    Raises: SettingsError if there is no such stack, or if it has no key.
    """
    keys = {environment.stack_id: environment.encryption_key_arn for environment in environments}
    if stack_id not in keys:
        raise SettingsError(f"STACK is {stack_id!r}; accepted: {', '.join(keys)}")
    key_arn = keys[stack_id]
    if key_arn is None:
        raise SettingsError(
            f"encryption_key_arn of {stack_id} is None; accepted: a key's ARN, in "
            "stacks/config/environments.py"
        )
    return key_policy(key_arn, [each for each in environments if each.encryption_key_arn == key_arn])


def key_policy(key_arn: str, environments: Sequence[Environment]) -> dict[str, Any]:
    """Return the policy of a key that these environments use, as KMS takes it.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html,
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html,
    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """
    key = parse_key_arn(key_arn)

    def arns(service: str) -> list[str]:
        return [
            arn
            for environment in environments
            for arn in resources(service, account_id=key.account_id, region=key.region, name=environment.name)
        ]

    log_groups = {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": arns("logs")}}
    data_keys = ["kms:Decrypt", "kms:GenerateDataKey"]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "IamPoliciesCount",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{key.account_id}:root"},
                "Action": "kms:*",
                "Resource": "*",
            },
            _service(
                "Logs",
                f"logs.{key.region}",
                ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
                log_groups,
            ),
            # Of failed batches, to the queue, and of alarms, to the topic; the policies of these name our
            # bucket and our alarms. AWS documents no condition for the key, and alarms that fail are silent.
            _service("Notifications", "s3", data_keys),
            _service("Alarms", "cloudwatch", data_keys),
        ],
    }


def _service(
    sid: str, service: str, actions: list[str], condition: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": actions,
        "Resource": "*",
        **({"Condition": condition} if condition else {}),
    }
