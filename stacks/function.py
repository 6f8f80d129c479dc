"""A Lambda function in the private network, with its own role, security group and log group."""

from collections.abc import Mapping, Sequence

from cdktf import ITerraformDependable, TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from cdktf_cdktf_provider_aws.lambda_function import (
    LambdaFunction,
    LambdaFunctionEnvironment,
    LambdaFunctionLoggingConfig,
    LambdaFunctionTracingConfig,
    LambdaFunctionVpcConfig,
)
from constructs import Construct

from stacks.code_assets import CodeAssets
from stacks.config.environments import Environment
from stacks.encryption import decrypt_variables
from stacks.endpoints import Endpoints
from stacks.network import Network
from stacks.policies import Statement, allow, allow_service, deny_function_code, document
from stacks.security_group import Connection, Listener, SecurityGroup

_NETWORK_INTERFACES = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)


class PrivateFunction(Construct):
    """A function, created after everything it needs to start: rights, security group rules and a log group.

    `name`, `arn`: the function's. `role_arn`, `rights`: its role's, and the role's policy.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: Environment,
        network: Network,
        endpoints: Endpoints,
        code_assets: CodeAssets,
        base_name: str,
        handler: str,
        timeout_seconds: int,
        memory_mb: int,
        reserved_concurrency: int | None,
        environment: Mapping[str, str],
        statements: Sequence[Statement],
        connects_to: Sequence[Listener],
        depends_on: Sequence[ITerraformDependable] = (),
    ) -> None:
        super().__init__(scope, id_)
        name = config.physical_name(base_name)
        group = SecurityGroup(self, "Group", name=name, description=f"Function {name}", vpc_id=network.vpc_id)
        connections = [Connection(self, source=group, target=listener) for listener in connects_to]
        rules = [rule for connection in connections for rule in connection.rules]
        logs = CloudwatchLogGroup(
            self,
            "Logs",
            name=f"/aws/lambda/{name}",
            retention_in_days=config.logs.retention_days,
            kms_key_id=config.encryption_key_arn,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=config.is_kept),
        )
        role = self._role(config.physical_name(f"{base_name}-role"))
        self.rights = IamRolePolicy(
            self,
            "Rights",
            name="rights",
            role=role.name,
            policy=document(self, "May", [*_every_function_may(config, name, logs), *statements]),
        )
        function = LambdaFunction(
            self,
            "Function",
            function_name=name,
            role=role.arn,
            runtime=config.function.runtime,
            architectures=[config.function.architecture],
            handler=handler,
            filename=code_assets.code_path,
            source_code_hash=code_assets.code_hash,
            layers=[code_assets.layer_arn],
            timeout=timeout_seconds,
            memory_size=memory_mb,
            reserved_concurrent_executions=reserved_concurrency,
            kms_key_arn=config.encryption_key_arn,
            environment=LambdaFunctionEnvironment(variables=dict(environment)),
            vpc_config=LambdaFunctionVpcConfig(
                subnet_ids=network.private_subnet_ids, security_group_ids=[group.id]
            ),
            logging_config=LambdaFunctionLoggingConfig(
                # The processor already prints JSON, and its metrics must reach the log unchanged.
                log_format="Text",
                log_group=logs.name,
            ),
            tracing_config=LambdaFunctionTracingConfig(mode="Active"),
            depends_on=[self.rights, *endpoints.all, *rules, *depends_on],
        )
        self.name = function.function_name
        self.arn = function.arn
        self.role_arn = role.arn

    def _role(self, name: str) -> IamRole:
        assume = allow_service("Assume", "lambda.amazonaws.com", ["sts:AssumeRole"])
        return IamRole(self, "Role", name=name, assume_role_policy=document(self, "Trust", [assume]))


def _every_function_may(config: Environment, name: str, logs: CloudwatchLogGroup) -> list[Statement]:
    """Return what Lambda itself requires of a role; `*` where AWS supports no narrower resource.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions,
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
    """
    return [
        allow("Log", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{logs.arn}:*"]),
        allow("AttachToNetwork", _NETWORK_INTERFACES, ["*"]),
        deny_function_code("OnlyLambdaAttaches", _NETWORK_INTERFACES),
        allow("Trace", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"]),
        *decrypt_variables(config, name),
    ]
