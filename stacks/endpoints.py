"""VPC endpoints for the two AWS services that the functions call without leaving the private network.

To add one: create a `VpcEndpoint` here, add it to `all`, expose a `Listener`, add that to `connects_to` of
every function that calls the service, and give the endpoint a policy in `restrict`.
"""

from collections.abc import Sequence

from cdktf_cdktf_provider_aws.data_aws_partition import DataAwsPartition
from cdktf_cdktf_provider_aws.data_aws_prefix_list import DataAwsPrefixList
from cdktf_cdktf_provider_aws.vpc_endpoint import VpcEndpoint
from constructs import Construct

from stacks.config.environments import Environment
from stacks.config.network_settings import ExistingVpc
from stacks.network import Network
from stacks.policies import allow_account, allow_anybody, arn_differs, document
from stacks.security_group import Admission, ExistingSecurityGroup, Listener, SecurityGroup

HTTPS = 443
# AWS's own buckets that ordinary services read without credentials, or with those of AWS. Whole names, since
# anybody could create a bucket with a name that only begins like one of these.
_AWS_BUCKETS = (
    # Layers of images in ECR:
    # https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html#ecr-minimum-s3-perms
    "prod-{region}-starport-layer-bucket",
    # Packages of Amazon Linux 2023 and 2: https://docs.aws.amazon.com/linux/al2023/ug/live-patching.html,
    # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/al2-live-patching.html
    "al2023-repos-{region}-de612dc2",
    "amazonlinux-2-repos-{region}",
    # SSM Agent:
    # https://docs.aws.amazon.com/systems-manager/latest/userguide/ssm-agent-minimum-s3-permissions.html
    "amazon-ssm-{region}",
    "amazon-ssm-packages-{region}",
    "aws-ssm-{region}",
    "aws-ssm-distributor-file-{region}",
    "aws-ssm-document-attachments-{region}",
    "patch-baseline-snapshot-{region}",
    "{region}-birdwatcher-prod",
    # Agents of CloudWatch and CodeDeploy:
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/download-cloudwatch-agent-commandline.html,
    # https://docs.aws.amazon.com/codedeploy/latest/userguide/instances-ec2-configure.html
    "amazoncloudwatch-agent",
    "amazoncloudwatch-agent-{region}",
    "aws-codedeploy-{region}",
)


class Endpoints(Construct):
    """S3 through the route tables, Secrets Manager through network interfaces.

    The whole VPC uses them, by its routes and private DNS names. Where an existing VPC has such an endpoint,
    that is used, with its owner's policy.

    `all`: must exist before the first call. `s3`, `secrets`: the targets of connections.
    """

    def __init__(self, scope: Construct, id_: str, *, config: Environment, network: Network) -> None:
        super().__init__(scope, id_)
        self._config = config
        vpc = config.network.vpc
        existing = vpc if isinstance(vpc, ExistingVpc) else None
        self._s3_endpoint = None if existing and existing.has_s3_endpoint else self._create_s3(network)
        self.s3 = Listener(name="S3", port=HTTPS, prefix_list_id=self._s3_prefix_list_id())
        if existing and existing.secrets_endpoint_group_id:
            group: SecurityGroup | ExistingSecurityGroup = ExistingSecurityGroup(
                id=existing.secrets_endpoint_group_id
            )
            self._secrets_endpoint = None
        else:
            group = self._create_secrets_group(network)
            self._secrets_endpoint = self._create_secrets(network, group)
        self.secrets = Listener(name="Secrets", port=HTTPS, members=group)
        if self._secrets_endpoint is not None:
            Admission(self, "Vpc", description="From the VPC", cidrs=network.cidrs, target=self.secrets)
        self.all = [each for each in (self._s3_endpoint, self._secrets_endpoint) if each is not None]

    def restrict(
        self,
        *,
        account_id: str,
        role_arns: Sequence[str],
        written_objects_arns: Sequence[str],
        listed_bucket_arns: Sequence[str],
        read_secret_arns: Sequence[str],
        read_objects_arns: Sequence[str] = (),
    ) -> None:
        """Bind these roles to these resources; all others of the account may use the endpoints freely.

        Credentials of another account are of no use here, so the functions' code could write to no bucket but
        ours, even with stolen ones. An endpoint without a policy would allow everything to everybody.
        """
        not_ours = [arn_differs("aws:PrincipalArn", *role_arns)]
        if self._s3_endpoint is not None:
            statements = [
                allow_account("Write", account_id, ["s3:PutObject"], written_objects_arns),
                allow_account("List", account_id, ["s3:ListBucket"], listed_bucket_arns),
                *(
                    [allow_account("Read", account_id, ["s3:GetObject"], read_objects_arns)]
                    if read_objects_arns
                    else []
                ),
                allow_account("Others", account_id, ["s3:*"], ["*"], not_ours),
                allow_anybody("ReadFromAws", ["s3:GetObject"], self._aws_objects_arns(), not_ours),
            ]
            self._s3_endpoint.policy = document(self, "S3Access", statements)
        if self._secrets_endpoint is not None:
            statements = [
                allow_account("Read", account_id, ["secretsmanager:GetSecretValue"], read_secret_arns),
                allow_account("Others", account_id, ["secretsmanager:*"], ["*"], not_ours),
            ]
            self._secrets_endpoint.policy = document(self, "SecretsAccess", statements)

    def _create_s3(self, network: Network) -> VpcEndpoint:
        return VpcEndpoint(
            self,
            "S3",
            vpc_id=network.vpc_id,
            service_name=self._service("s3"),
            vpc_endpoint_type="Gateway",
            route_table_ids=network.private_route_table_ids,
            tags={"Name": self._config.physical_name("product-catalog-s3")},
        )

    def _s3_prefix_list_id(self) -> str:
        if self._s3_endpoint is not None:
            return self._s3_endpoint.prefix_list_id
        return DataAwsPrefixList(self, "S3Addresses", name=self._service("s3")).id

    def _create_secrets_group(self, network: Network) -> SecurityGroup:
        return SecurityGroup(
            self,
            "Group",
            name=self._config.physical_name("product-catalog-secrets"),
            description="Endpoint of Secrets Manager",
            vpc_id=network.vpc_id,
        )

    def _create_secrets(self, network: Network, group: SecurityGroup) -> VpcEndpoint:
        return VpcEndpoint(
            self,
            "Secrets",
            vpc_id=network.vpc_id,
            service_name=self._service("secretsmanager"),
            vpc_endpoint_type="Interface",
            private_dns_enabled=True,
            subnet_ids=network.private_subnet_ids,
            security_group_ids=[group.id],
            tags={"Name": self._config.physical_name("product-catalog-secrets")},
        )

    def _service(self, name: str) -> str:
        return f"com.amazonaws.{self._config.region}.{name}"

    def _aws_objects_arns(self) -> list[str]:
        partition = DataAwsPartition(self, "Partition").partition
        buckets = [name.format(region=self._config.region) for name in _AWS_BUCKETS]
        return [f"arn:{partition}:s3:::{bucket}/*" for bucket in buckets]
