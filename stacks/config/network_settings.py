"""The settings of the network: a VPC of our own or one that exists, and a shop's network beside it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import combinations

from stacks.config.settings import SettingsError, require_range

# RFC 1918, and RFC 6598, which EKS clusters often use.
_PRIVATE = tuple(
    IPv4Network(cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)
# https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
_USED_BY_AWS = IPv4Network("172.17.0.0/16")


@dataclass(frozen=True, kw_only=True)
class NewVpc:
    """A VPC that the stack creates.

    `cidr`: a /16 to /20, of which each zone gets a sixteenth for a private and one for a public subnet.
    `zone_ids`: the availability zones, at least two. Another id or another order replaces subnets.
    `nat_gateways`: the number of zones with one, in a public subnet; nothing here needs the internet.
    """

    cidr: str
    zone_ids: tuple[str, ...]
    nat_gateways: int

    def __post_init__(self) -> None:
        network = _network("network.vpc.cidr", self.cidr)
        _require_private("network.vpc.cidr", network)
        if network.overlaps(_USED_BY_AWS):
            raise SettingsError(
                f"network.vpc.cidr is {self.cidr!r}; accepted: ranges outside {_USED_BY_AWS}, which "
                "services of AWS use themselves"
            )
        require_range("network.vpc.cidr's prefix length", network.prefixlen, 16, 20)
        require_range("the number of network.vpc.zone_ids", len(self.zone_ids), 2, 6)
        _require_different("network.vpc.zone_ids", self.zone_ids)
        require_range("network.vpc.nat_gateways", self.nat_gateways, 0, len(self.zone_ids))

    @property
    def endpoint_interfaces(self) -> int:
        """The number of network interfaces of the endpoint of Secrets Manager, which are paid by the hour."""
        return len(self.zone_ids)


@dataclass(frozen=True, kw_only=True)
class ExistingVpc:
    """A VPC of somebody else, in which the stack creates no subnet and no route.

    `private_subnet_ids`: at least two, each in another zone. `private_route_table_ids`: those of the subnets.
    `has_s3_endpoint`: whether these route tables lead to a gateway endpoint of S3 already.
    `secrets_endpoint_group_id`: the security group of the VPC's endpoint of Secrets Manager, if there is one
    with private DNS names; None: the stack creates one. AWS refuses a second endpoint of either kind.
    """

    vpc_id: str
    private_subnet_ids: tuple[str, ...]
    private_route_table_ids: tuple[str, ...]
    has_s3_endpoint: bool
    secrets_endpoint_group_id: str | None

    def __post_init__(self) -> None:
        _require_ids("network.vpc.vpc_id", "vpc", [self.vpc_id])
        _require_ids("network.vpc.private_subnet_ids", "subnet", self.private_subnet_ids)
        require_range("the number of network.vpc.private_subnet_ids", len(self.private_subnet_ids), 2, 6)
        _require_ids("network.vpc.private_route_table_ids", "rtb", self.private_route_table_ids)
        require_range(
            "the number of network.vpc.private_route_table_ids",
            len(self.private_route_table_ids),
            1,
            len(self.private_subnet_ids),
        )
        if self.secrets_endpoint_group_id is not None:
            _require_ids("network.vpc.secrets_endpoint_group_id", "sg", [self.secrets_endpoint_group_id])

    @property
    def nat_gateways(self) -> int:
        """The number of NAT gateways that the stack creates."""
        return 0

    @property
    def endpoint_interfaces(self) -> int:
        """The number of network interfaces that the stack creates for an endpoint of Secrets Manager."""
        return 0 if self.secrets_endpoint_group_id else len(self.private_subnet_ids)


@dataclass(frozen=True, kw_only=True)
class ShopNetwork:
    """The network of a shop in another VPC, from which it may connect to the database and the cache.

    `cidrs`: its address ranges. `connection_id`: the VPC peering connection (`pcx-…`) or the transit gateway
    (`tgw-…`) that leads there; None in an existing VPC, whose owner sets the routes.
    """

    cidrs: tuple[str, ...]
    connection_id: str | None

    def __post_init__(self) -> None:
        field = "network.shop_network.cidrs"
        # A security group has room for 60 rules.
        require_range(f"the number of {field}", len(self.cidrs), 1, 20)
        networks = [_network(field, cidr) for cidr in self.cidrs]
        for network in networks:
            require_range(f"the prefix length of {network} in {field}", network.prefixlen, 16, 28)
            _require_private(field, network)
        for one, other in combinations(networks, 2):
            if one.overlaps(other):
                raise SettingsError(f"{field} has {one} and {other}; accepted: ranges that do not overlap")
        if self.connection_id is not None:
            _require_ids("network.shop_network.connection_id", "(?:pcx|tgw)", [self.connection_id])


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """The private network.

    `shop_network`: None for a shop in the same VPC, which joins the shop's security group, and for none.
    """

    vpc: NewVpc | ExistingVpc
    shop_network: ShopNetwork | None

    def __post_init__(self) -> None:
        if self.shop_network is None:
            return
        connection_id = self.shop_network.connection_id
        field = "network.shop_network.connection_id"
        if isinstance(self.vpc, ExistingVpc):
            if connection_id is not None:
                raise SettingsError(
                    f"{field} is {connection_id!r}; accepted in an existing VPC: None, since its routes are "
                    "its owner's"
                )
            return
        if connection_id is None:
            raise SettingsError(
                f"{field} is None; accepted in a new VPC: such as 'pcx-0a1b2c3d4e5f60718' or "
                "'tgw-0a1b2c3d4e5f60718'"
            )
        for cidr in self.shop_network.cidrs:
            if IPv4Network(cidr).overlaps(IPv4Network(self.vpc.cidr)):
                raise SettingsError(
                    f"network.shop_network.cidrs has {cidr}; accepted: ranges that do not overlap with "
                    f"{self.vpc.cidr} (network.vpc.cidr), since there could be no route"
                )


def _network(field: str, cidr: str) -> IPv4Network:
    try:
        network = IPv4Network(cidr)
    except ValueError:
        network = None
    # A network mask in place of the prefix length is for Terraform no range.
    if network is None or str(network) != cidr:
        raise SettingsError(f"{field} has {cidr!r}; accepted: such as '10.40.0.0/16'")
    return network


def _require_private(field: str, network: IPv4Network) -> None:
    if not any(network.subnet_of(private) for private in _PRIVATE):
        accepted = ", ".join(map(str, _PRIVATE))
        raise SettingsError(f"{field} has {network}; accepted: parts of {accepted}")


def _require_ids(field: str, prefix: str, ids: Sequence[str]) -> None:
    """Check the shape of AWS's ids: a prefix and 8 or, since 2016, 17 hexadecimal digits."""
    for found in ids:
        if not re.fullmatch(rf"{prefix}-(?:[0-9a-f]{{8}}|[0-9a-f]{{17}})", found):
            example = " or ".join(f"'{one}-0a1b2c3d4e5f60718'" for one in re.findall("[a-z]+", prefix))
            raise SettingsError(f"{field} has {found!r}; accepted: such as {example}")
    _require_different(field, ids)


def _require_different(field: str, values: Sequence[str]) -> None:
    if len(set(values)) < len(values):
        raise SettingsError(f"{field} is {tuple(values)}; accepted: each once")
