"""Access for others: suppliers put updates, the shop reads products."""

from collections.abc import Sequence

from cdktf_cdktf_provider_aws.iam_policy import IamPolicy
from constructs import Construct

from stacks.cache import Cache
from stacks.config.environments import Environment
from stacks.credentials import Credentials
from stacks.database import Database
from stacks.encryption import decrypt_secrets
from stacks.endpoints import Endpoints
from stacks.network import Network
from stacks.policies import Statement, allow, document
from stacks.security_group import Admission, Connection, SecurityGroup
from stacks.stream import InventoryStream


class SupplierAccess(Construct):
    """A policy for suppliers' roles, which only allows them to put records on the stream.

    `policy_arn`: the policy to attach.
    """

    def __init__(self, scope: Construct, id_: str, *, config: Environment, stream: InventoryStream) -> None:
        super().__init__(scope, id_)
        self.policy_arn = _policy(
            self,
            config.physical_name("inventory-producer"),
            "Put inventory updates",
            stream.put_statements(),
        )


class ShopAccess(Construct):
    """A policy and a security group for the shop's service, which let it read products.

    With both it can log in to the database as a role that may only read, and to the cache as its own user. A
    shop in a network of its own (`network.shop_network`) is admitted by its addresses.

    `policy_arn`: the policy to attach. `security_group`: the group to join.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: Environment,
        network: Network,
        endpoints: Endpoints,
        database: Database,
        credentials: Credentials,
        cache: Cache,
    ) -> None:
        super().__init__(scope, id_)
        name = config.physical_name("product-shop")
        self.security_group = SecurityGroup(
            self, "Group", name=name, description="Readers of the product catalog", vpc_id=network.vpc_id
        )
        for listener in (endpoints.secrets, database.listener, cache.listener):
            Connection(self, source=self.security_group, target=listener)
        if config.network.shop_network is not None:
            for listener in (database.listener, cache.listener):
                Admission(
                    self,
                    f"NetworkTo{listener.name}",
                    description="From the shop's network",
                    cidrs=config.network.shop_network.cidrs,
                    target=listener,
                )
        self.policy_arn = _policy(
            self,
            name,
            "Read the product catalog",
            [
                allow("ReadLogin", ["secretsmanager:GetSecretValue"], [credentials.secret_arn]),
                *decrypt_secrets(config, [credentials.secret_arn]),
                cache.connect_statement(cache.shop),
            ],
        )


def _policy(scope: Construct, name: str, description: str, statements: Sequence[Statement]) -> str:
    return IamPolicy(
        scope, "Policy", name=name, description=description, policy=document(scope, "May", statements)
    ).arn
