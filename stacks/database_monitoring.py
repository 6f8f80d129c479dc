"""The role with which RDS logs the metrics of the database's operating system."""

from cdktf_cdktf_provider_aws.data_aws_partition import DataAwsPartition
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from constructs import Construct

from stacks.config.environments import Environment
from stacks.policies import allow, allow_service, arn_equals, document, equals


class DatabaseMonitoring(Construct):
    """Enhanced monitoring's role, which only this instance may use.

    It has the rights of AWS's policy AmazonRDSEnhancedMonitoringRole, on the one log group that RDS uses for
    all instances: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Monitoring.OS.Enabling.html

    `role_arn`: the role's. `rights`: its policy, without which RDS can log nothing.
    """

    def __init__(
        self, scope: Construct, id_: str, *, config: Environment, account_id: str, identifier: str
    ) -> None:
        super().__init__(scope, id_)
        partition = DataAwsPartition(self, "Partition").partition
        here = f"{config.region}:{account_id}"
        instance = f"arn:{partition}:rds:{here}:db:{identifier}"
        group = f"arn:{partition}:logs:{here}:log-group:RDSOSMetrics"
        assume = allow_service(
            "Assume",
            "monitoring.rds.amazonaws.com",
            ["sts:AssumeRole"],
            conditions=[arn_equals("aws:SourceArn", instance), equals("aws:SourceAccount", account_id)],
        )
        role = IamRole(
            self,
            "Role",
            name=config.physical_name("product-catalog-monitoring-role"),
            assume_role_policy=document(self, "Trust", [assume]),
        )
        self.rights = IamRolePolicy(
            self,
            "Rights",
            name="rights",
            role=role.name,
            policy=document(
                self,
                "May",
                [
                    allow("KeepGroup", ["logs:CreateLogGroup", "logs:PutRetentionPolicy"], [group]),
                    allow(
                        "Log",
                        [
                            "logs:CreateLogStream",
                            "logs:DescribeLogStreams",
                            "logs:GetLogEvents",
                            "logs:PutLogEvents",
                        ],
                        [f"{group}:log-stream:*"],
                    ),
                ],
            ),
        )
        self.role_arn = role.arn
