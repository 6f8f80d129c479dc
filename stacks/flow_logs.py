"""The log of the network's connections, accepted and refused."""

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from cdktf_cdktf_provider_aws.flow_log import FlowLog
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from constructs import Construct

from stacks.config.environments import Environment
from stacks.network import Network
from stacks.policies import allow, allow_service, document, equals

# Without the right to create groups: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
_DELIVERY = (
    "logs:CreateLogStream",
    "logs:DescribeLogGroups",
    "logs:DescribeLogStreams",
    "logs:PutLogEvents",
)


class FlowLogs(Construct):
    """A flow log of the VPC, or nothing where `logs.network_flows` is False."""

    def __init__(
        self, scope: Construct, id_: str, *, config: Environment, network: Network, account_id: str
    ) -> None:
        super().__init__(scope, id_)
        if not config.logs.network_flows:
            return
        logs = CloudwatchLogGroup(
            self,
            "Logs",
            name=f"/aws/vpc/{config.physical_name('product-catalog')}",
            retention_in_days=config.logs.retention_days,
            kms_key_id=config.encryption_key_arn,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=config.is_kept),
        )
        assume = allow_service(
            "Assume",
            "vpc-flow-logs.amazonaws.com",
            ["sts:AssumeRole"],
            conditions=[equals("aws:SourceAccount", account_id)],
        )
        role = IamRole(
            self,
            "Role",
            name=config.physical_name("product-catalog-flow-logs-role"),
            assume_role_policy=document(self, "Trust", [assume]),
        )
        rights = IamRolePolicy(
            self,
            "Rights",
            name="rights",
            role=role.name,
            policy=document(self, "May", [allow("Log", _DELIVERY, [f"{logs.arn}:*"])]),
        )
        FlowLog(
            self,
            "Flows",
            vpc_id=network.vpc_id,
            traffic_type="ALL",
            log_destination=logs.arn,
            iam_role_arn=role.arn,
            tags={"Name": config.physical_name("product-catalog")},
            depends_on=[rights],
        )
