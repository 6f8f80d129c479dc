"""The private network: no route to the internet, unless NAT gateways are set."""

from collections.abc import Sequence

from cdktf import Fn, TerraformIterator, Token
from cdktf_cdktf_provider_aws.default_security_group import DefaultSecurityGroup
from cdktf_cdktf_provider_aws.eip import Eip
from cdktf_cdktf_provider_aws.internet_gateway import InternetGateway
from cdktf_cdktf_provider_aws.nat_gateway import NatGateway
from cdktf_cdktf_provider_aws.route import Route
from cdktf_cdktf_provider_aws.route_table import RouteTable
from cdktf_cdktf_provider_aws.route_table_association import RouteTableAssociation
from cdktf_cdktf_provider_aws.subnet import Subnet, SubnetTimeouts
from cdktf_cdktf_provider_aws.vpc import Vpc
from constructs import Construct

from stacks.config.environments import Environment
from stacks.config.network_settings import ExistingVpc, NewVpc, ShopNetwork
from stacks.existing_vpc import ExistingVpcChecks

_EVERYWHERE = "0.0.0.0/0"
# Each subnet is a sixteenth of the VPC: private ones from the first on, public ones from the ninth on.
_SUBNET_BITS = 4
_FIRST_PUBLIC_SUBNET = 8


class Network(Construct):
    """Private subnets, which reach AWS services through `Endpoints`: in a new VPC, or in one that exists.

    `vpc_id`, `cidrs`: the VPC's id and address ranges. `private_subnet_ids`: one per zone, of a new VPC in
    the zones' order. `private_route_table_ids`: those of the subnets.
    """

    def __init__(self, scope: Construct, id_: str, *, config: Environment) -> None:
        super().__init__(scope, id_)
        self._config = config
        match config.network.vpc:
            case NewVpc() as settings:
                self._create(settings, config.network.shop_network)
            case ExistingVpc() as settings:
                self.cidrs: Sequence[str] = ExistingVpcChecks(self, "Existing", settings=settings).cidrs
                self.vpc_id = settings.vpc_id
                self.private_subnet_ids = list(settings.private_subnet_ids)
                self.private_route_table_ids = list(settings.private_route_table_ids)

    def _create(self, settings: NewVpc, shop_network: ShopNetwork | None) -> None:
        vpc = Vpc(
            self,
            "Vpc",
            cidr_block=settings.cidr,
            enable_dns_support=True,
            # Private DNS names of interface endpoints need both settings.
            enable_dns_hostnames=True,
            tags=self._name("product-catalog"),
        )
        self.vpc_id = vpc.id
        self.cidrs = [settings.cidr]
        # Without rules, so that a resource for which no group is chosen can reach nothing.
        DefaultSecurityGroup(self, "DefaultGroup", vpc_id=vpc.id)
        private = [
            self._routed_subnet(f"Private{zone}", settings, zone_id, zone - 1)
            for zone, zone_id in enumerate(settings.zone_ids, start=1)
        ]
        # From the associations, so that a resource in a subnet is created after its routes.
        self.private_subnet_ids = [association.subnet_id for association in private]
        self.private_route_table_ids = [association.route_table_id for association in private]
        if settings.nat_gateways:
            self._open_to_the_internet(settings)
        if shop_network is not None:
            self._route_to(shop_network)

    def _route_to(self, shop_network: ShopNetwork) -> None:
        """Route every private subnet to the shop's network."""
        connection_id = shop_network.connection_id or ""
        is_peering = connection_id.startswith("pcx-")
        cidrs = TerraformIterator.from_list(list(shop_network.cidrs))
        for zone, table_id in enumerate(self.private_route_table_ids, start=1):
            Route(
                self,
                f"Private{zone}ToShop",
                for_each=cidrs,
                route_table_id=table_id,
                destination_cidr_block=Token.as_string(cidrs.value),
                vpc_peering_connection_id=connection_id if is_peering else None,
                transit_gateway_id=None if is_peering else connection_id,
            )

    def _open_to_the_internet(self, settings: NewVpc) -> None:
        """Create a NAT gateway in each of the first zones, and route every private subnet through one."""
        internet = InternetGateway(self, "Internet", vpc_id=self.vpc_id)
        gateways = []
        for zone, zone_id in enumerate(settings.zone_ids[: settings.nat_gateways], start=1):
            name = f"Public{zone}"
            public = self._routed_subnet(name, settings, zone_id, _FIRST_PUBLIC_SUBNET + zone - 1)
            Route(
                self,
                f"{name}Out",
                route_table_id=public.route_table_id,
                destination_cidr_block=_EVERYWHERE,
                gateway_id=internet.id,
            )
            address = Eip(self, f"NatAddress{zone}", domain="vpc", depends_on=[internet])
            gateways.append(
                NatGateway(
                    self,
                    f"Nat{zone}",
                    allocation_id=address.id,
                    subnet_id=public.subnet_id,
                    tags=self._name(f"product-catalog-{zone}"),
                    depends_on=[internet],
                )
            )
        for zone, table_id in enumerate(self.private_route_table_ids):
            Route(
                self,
                f"Private{zone + 1}Out",
                route_table_id=table_id,
                destination_cidr_block=_EVERYWHERE,
                nat_gateway_id=gateways[zone % len(gateways)].id,
            )

    def _routed_subnet(self, id_: str, settings: NewVpc, zone_id: str, block: int) -> RouteTableAssociation:
        """Create a subnet with its own route table."""
        name = self._name(f"product-catalog-{id_.lower()}")
        subnet = Subnet(
            self,
            id_,
            vpc_id=self.vpc_id,
            availability_zone_id=zone_id,
            cidr_block=str(Fn.cidrsubnet(settings.cidr, _SUBNET_BITS, block)),
            map_public_ip_on_launch=False,
            tags=name,
            # A function's network interfaces outlive it by up to 20 minutes.
            timeouts=SubnetTimeouts(delete="45m"),
        )
        table = RouteTable(self, f"{id_}Routes", vpc_id=self.vpc_id, tags=name)
        return RouteTableAssociation(self, f"{id_}RoutesOf", subnet_id=subnet.id, route_table_id=table.id)

    def _name(self, base: str) -> dict[str, str]:
        return {"Name": self._config.physical_name(base)}
