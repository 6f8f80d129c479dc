"""VPC endpoints for the two AWS services that the functions call without leaving the private network.

To add one: create a `VpcEndpoint` here, add it to `all`, expose a `Listener`, and add that to
`connects_to` of every function that calls the service.
"""

from collections.abc import Sequence

from cdktf_cdktf_provider_aws.vpc_endpoint import VpcEndpoint
from constructs import Construct

from stacks.config.environments import Environment
from stacks.network import Network
from stacks.policies import allow_account, document
from stacks.security_group import Listener, SecurityGroup

HTTPS = 443


class Endpoints(Construct):
    """S3 through the route tables, Secrets Manager through network interfaces; each for our resources only.

    `all`: must exist before the first call. `s3`, `secrets`: the targets of connections.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: Environment,
        network: Network,
        account_id: str,
        written_objects_arns: Sequence[str],
        listed_bucket_arns: Sequence[str],
        read_secret_arns: Sequence[str],
    ) -> None:
        super().__init__(scope, id_)
        s3 = VpcEndpoint(
            self,
            "S3",
            vpc_id=network.vpc_id,
            service_name=f"com.amazonaws.{config.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=network.private_route_table_ids,
            policy=document(
                self,
                "S3Access",
                [
                    allow_account("Write", account_id, ["s3:PutObject"], written_objects_arns),
                    allow_account("List", account_id, ["s3:ListBucket"], listed_bucket_arns),
                ],
            ),
            tags={"Name": config.physical_name("product-catalog-s3")},
        )
        group = SecurityGroup(
            self,
            "Group",
            name=config.physical_name("product-catalog-secrets"),
            description="Endpoint of Secrets Manager",
            vpc_id=network.vpc_id,
        )
        secrets = VpcEndpoint(
            self,
            "Secrets",
            vpc_id=network.vpc_id,
            service_name=f"com.amazonaws.{config.region}.secretsmanager",
            vpc_endpoint_type="Interface",
            private_dns_enabled=True,
            subnet_ids=network.private_subnet_ids,
            security_group_ids=[group.id],
            policy=document(
                self,
                "SecretsAccess",
                [allow_account("Read", account_id, ["secretsmanager:GetSecretValue"], read_secret_arns)],
            ),
            tags={"Name": config.physical_name("product-catalog-secrets")},
        )
        self.all = (s3, secrets)
        self.s3 = Listener(name="S3", port=HTTPS, prefix_list_id=s3.prefix_list_id)
        self.secrets = Listener(name="Secrets", port=HTTPS, members=group)
