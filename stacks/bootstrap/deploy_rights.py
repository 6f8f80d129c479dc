"""What the roles of the workflows may do in AWS, by service.

Every physical name ends with its environment's, so each role is limited to its environment's resources where
AWS knows their names. The ids of networks are AWS's own: those rights are limited to a region.
"""

from collections.abc import Mapping, Sequence

READING = (
    "athena:GetWorkGroup",
    "athena:ListTagsForResource",
    "cloudwatch:Describe*",
    "cloudwatch:GetDashboard",
    "cloudwatch:ListTagsForResource",
    "ec2:Describe*",
    "elasticache:Describe*",
    "elasticache:ListTagsForResource",
    "events:Describe*",
    "events:List*",
    "glue:GetDatabase",
    "glue:GetPartitionIndexes",
    "glue:GetTable",
    "glue:GetTags",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:List*",
    "kinesis:Describe*",
    "kinesis:List*",
    "kms:DescribeKey",
    "lambda:Get*",
    "lambda:List*",
    "logs:Describe*",
    "logs:List*",
    "rds:Describe*",
    "rds:ListTagsForResource",
    "s3:GetAccelerateConfiguration",
    "s3:GetBucket*",
    "s3:GetEncryptionConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:GetReplicationConfiguration",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetRandomPassword",
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:ListSecrets",
    "servicequotas:GetServiceQuota",
    "sns:Get*",
    "sns:List*",
    "sqs:GetQueue*",
    "sqs:ListQueue*",
    "ssm:DescribeParameters",
    "ssm:ListTagsForResource",
    "states:Describe*",
    "states:List*",
    "states:ValidateStateMachineDefinition",
    "sts:GetCallerIdentity",
)
"""What a plan and `make preflight` need, on any resource; no object, record, log line or secret."""

BY_NAME: Mapping[str, tuple[str, ...]] = {
    "athena": ("arn:aws:athena:{region}:{account}:workgroup/*-{name}",),
    "cloudwatch": (
        "arn:aws:cloudwatch:{region}:{account}:alarm:*-{name}",
        "arn:aws:cloudwatch::{account}:dashboard/*-{name}",
    ),
    "elasticache": (
        "arn:aws:elasticache:{region}:{account}:*:*-{name}",
        "arn:aws:elasticache:{region}:{account}:cluster:*-{name}-*",
        "arn:aws:elasticache:{region}:{account}:parametergroup:default*",
    ),
    "events": ("arn:aws:events:{region}:{account}:rule/*-{name}",),
    "kinesis": ("arn:aws:kinesis:{region}:{account}:stream/*-{name}",),
    "lambda": (
        "arn:aws:lambda:{region}:{account}:function:*-{name}",
        "arn:aws:lambda:{region}:{account}:layer:*-{name}",
        "arn:aws:lambda:{region}:{account}:layer:*-{name}:*",
    ),
    "logs": (
        "arn:aws:logs:{region}:{account}:log-group:/aws/lambda/*-{name}",
        "arn:aws:logs:{region}:{account}:log-group:/aws/lambda/*-{name}:*",
        "arn:aws:logs:{region}:{account}:log-group:/aws/vendedlogs/states/*-{name}",
        "arn:aws:logs:{region}:{account}:log-group:/aws/vendedlogs/states/*-{name}:*",
        "arn:aws:logs:{region}:{account}:log-group:/aws/rds/instance/*-{name}/*",
        "arn:aws:logs:{region}:{account}:log-group:/aws/vpc/*-{name}",
        "arn:aws:logs:{region}:{account}:log-group:/aws/vpc/*-{name}:*",
    ),
    "rds": (
        "arn:aws:rds:{region}:{account}:db:*-{name}",
        "arn:aws:rds:{region}:{account}:og:default*",
        "arn:aws:rds:{region}:{account}:pg:*-{name}",
        "arn:aws:rds:{region}:{account}:snapshot:*-{name}",
        "arn:aws:rds:{region}:{account}:subgrp:*-{name}",
    ),
    "s3": ("arn:aws:s3:::*-{account}-{name}", "arn:aws:s3:::*-{account}-{name}/*"),
    # By name: a plan reads their passwords.
    "secretsmanager": (
        "arn:aws:secretsmanager:{region}:{account}:secret:product-catalog-db-credentials-{name}-??????",
        "arn:aws:secretsmanager:{region}:{account}:secret:product-catalog-db-reader-{name}-??????",
    ),
    "sns": ("arn:aws:sns:{region}:{account}:*-{name}", "arn:aws:sns:{region}:{account}:*-{name}:*"),
    "sqs": ("arn:aws:sqs:{region}:{account}:*-{name}",),
    "ssm": ("arn:aws:ssm:{region}:{account}:parameter/product-catalog/{name}",),
    "states": ("arn:aws:states:{region}:{account}:stateMachine:*-{name}",),
}
"""The resources on which a deploy may do everything that their service has."""

TABLES = (
    "glue:CreateDatabase",
    "glue:CreateTable",
    "glue:DeleteDatabase",
    "glue:DeleteTable",
    "glue:TagResource",
    "glue:UntagResource",
    "glue:UpdateDatabase",
    "glue:UpdateTable",
)
"""Not `glue:*`: each needs a right on the account's whole catalog, too, which has settings of its own."""

TABLE_RESOURCES = (
    "arn:aws:glue:{region}:{account}:catalog",
    "arn:aws:glue:{region}:{account}:database/product_catalog_{identifier}",
    "arn:aws:glue:{region}:{account}:table/product_catalog_{identifier}/*",
    "arn:aws:glue:{region}:{account}:userDefinedFunction/product_catalog_{identifier}/*",
)
"""Whoever deletes a database needs the right on everything that it could hold:
https://docs.aws.amazon.com/glue/latest/dg/glue-specifying-resource-arns.html."""

ADMINISTRATORS_SECRET = ("secretsmanager:CreateSecret", "secretsmanager:TagResource")
"""What RDS needs of whoever creates a database, beside `kms:DescribeKey`, to make its administrator's secret:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html. Its name does not say whose
database it is of, so nobody who deploys may read, change or delete it."""

NETWORK = (
    "ec2:AllocateAddress",
    "ec2:AssociateRouteTable",
    "ec2:AttachInternetGateway",
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateFlowLogs",
    "ec2:CreateInternetGateway",
    "ec2:CreateNatGateway",
    "ec2:CreateRoute",
    "ec2:CreateRouteTable",
    "ec2:CreateSecurityGroup",
    "ec2:CreateSubnet",
    "ec2:CreateTags",
    "ec2:CreateVpc",
    "ec2:CreateVpcEndpoint",
    "ec2:DeleteFlowLogs",
    "ec2:DeleteInternetGateway",
    "ec2:DeleteNatGateway",
    "ec2:DeleteRoute",
    "ec2:DeleteRouteTable",
    "ec2:DeleteSecurityGroup",
    "ec2:DeleteSubnet",
    "ec2:DeleteTags",
    "ec2:DeleteVpc",
    "ec2:DeleteVpcEndpoints",
    "ec2:DetachInternetGateway",
    "ec2:DisassociateAddress",
    "ec2:DisassociateRouteTable",
    "ec2:ModifySecurityGroupRules",
    "ec2:ModifySubnetAttribute",
    "ec2:ModifyVpcAttribute",
    "ec2:ModifyVpcEndpoint",
    "ec2:ReleaseAddress",
    "ec2:ReplaceRoute",
    "ec2:ReplaceRouteTableAssociation",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupIngress",
)

PRIVATE_DNS = ("route53:AssociateVPCWithHostedZone", "route53:DisassociateVPCFromHostedZone")
"""What EC2 needs of whoever creates or deletes an interface endpoint with private DNS. AWS knows the zone:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html."""

EVENT_SOURCE_MAPPINGS = (
    "lambda:CreateEventSourceMapping",
    "lambda:DeleteEventSourceMapping",
    "lambda:UpdateEventSourceMapping",
)

ROLES = (
    "inventory-migrations-role",
    "inventory-processor-role",
    "inventory-replay-map-role",
    "inventory-replay-role",
    "product-catalog-flow-logs-role",
    "product-catalog-monitoring-role",
)
POLICIES = (
    "catalog-operator-read",
    "catalog-operator-redrive",
    "catalog-operator-replay",
    "inventory-producer",
    "product-shop",
)
"""The stacks' own, by name: no pattern, since another team's role may end with an environment's name, too."""

CHANGING_ROLES_RIGHTS = (
    "iam:CreateRole",
    "iam:DeleteRolePolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
)
"""Only with the boundary, so that a deploy cannot give a function more rights than a function may have."""

CHANGING_ROLES = (
    "iam:DeleteRole",
    "iam:TagRole",
    "iam:UntagRole",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateRole",
)

CHANGING_POLICIES = (
    "iam:CreatePolicy",
    "iam:CreatePolicyVersion",
    "iam:DeletePolicy",
    "iam:DeletePolicyVersion",
    "iam:TagPolicy",
    "iam:UntagPolicy",
)

ROLES_ARE_FOR = (
    "lambda.amazonaws.com",
    "monitoring.rds.amazonaws.com",
    "states.amazonaws.com",
    "vpc-flow-logs.amazonaws.com",
)

SERVICE_LINKED_ROLES = ("elasticache.amazonaws.com", "rds.amazonaws.com")

OF_FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "Logs": ("logs:CreateLogStream", "logs:PutLogEvents"),
    # Of the database's operating system and of connections: the roles that log them have the boundary, too.
    "LogsOfAws": (
        "logs:CreateLogGroup",
        "logs:DescribeLogGroups",
        "logs:DescribeLogStreams",
        "logs:GetLogEvents",
        "logs:PutRetentionPolicy",
    ),
    "Networks": (
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
    ),
    "Pipeline": (
        "elasticache:Connect",
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
    ),
    # Of the state machine, which also writes its results; the function reads the archive.
    "Replay": (
        "lambda:InvokeFunction",
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
        "s3:AbortMultipartUpload",
        "s3:GetObject",
        "s3:ListMultipartUploadParts",
        "states:DescribeExecution",
        "states:StartExecution",
        "states:StopExecution",
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
    ),
    "Storage": ("s3:ListBucket", "s3:PutObject", "secretsmanager:GetSecretValue"),
    "Traces": ("xray:PutTelemetryRecords", "xray:PutTraceSegments"),
}
"""The most that a role of a stack may do; its own policy names the resources."""


KEYS_OF_FUNCTIONS = ("kms:Decrypt", "kms:GenerateDataKey")
"""The most that a function's role may do with the keys of the environments that have one."""

USING_KEY = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*")
CREATED_WITH_KEY = ("elasticache", "kinesis", "lambda", "rds", "secretsmanager", "states")
"""The services that use a key with the rights of whoever creates a resource."""

GRANTED_KEY = ("elasticache", "lambda", "rds", "secretsmanager")
"""The services that make a grant, to use the key later:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.Encryption.Keys.html,
https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/at-rest-encryption.html,
https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html."""


def resources(service: str, *, account_id: str, region: str, name: str) -> list[str]:
    """Return the ARNs of an environment's resources of a service."""
    return _filled(BY_NAME[service], account_id, region, name)


def table_resources(*, account_id: str, region: str, name: str) -> list[str]:
    """Return the ARNs of Glue on which an environment's database and tables need rights."""
    return _filled(TABLE_RESOURCES, account_id, region, name)


def _filled(patterns: Sequence[str], account_id: str, region: str, name: str) -> list[str]:
    identifier = name.replace("-", "_")
    return [
        pattern.format(account=account_id, region=region, name=name, identifier=identifier)
        for pattern in patterns
    ]
