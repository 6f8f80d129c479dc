"""What a VPC that exists must have for this stack: a plan ends where it has not."""

from cdktf import Postcondition, TerraformIterator, TerraformResourceLifecycle, Token
from cdktf_cdktf_provider_aws.data_aws_subnet import DataAwsSubnet
from cdktf_cdktf_provider_aws.data_aws_vpc import DataAwsVpc
from constructs import Construct

from stacks.config.network_settings import ExistingVpc


class ExistingVpcChecks(Construct):
    """The VPC and its private subnets as AWS has them, with postconditions; Terraform changes neither.

    A postcondition ends a plan before anything is created, and is a warning in a destroy. `cidrs`: the VPC's
    address ranges.
    """

    def __init__(self, scope: Construct, id_: str, *, settings: ExistingVpc) -> None:
        super().__init__(scope, id_)
        vpc = DataAwsVpc(
            self,
            "Vpc",
            id=settings.vpc_id,
            lifecycle=_require(
                ("self.enable_dns_support", f"DNS support is off in {settings.vpc_id}: turn it on."),
                (
                    "self.enable_dns_hostnames",
                    f"DNS hostnames are off in {settings.vpc_id}: turn them on, since private names of "
                    "endpoints need them.",
                ),
            ),
        )
        ranges = TerraformIterator.from_complex_list(vpc.cidr_block_associations, "cidr_block")
        self.cidrs = Token.as_list(ranges.pluck_property("cidr_block"))
        zones: list[str] = []
        for number, subnet_id in enumerate(settings.private_subnet_ids, start=1):
            subnet = DataAwsSubnet(
                self,
                f"Private{number}",
                id=subnet_id,
                lifecycle=_require(
                    (
                        f'self.vpc_id == "{settings.vpc_id}"',
                        f"{subnet_id} (network.vpc.private_subnet_ids) is not in {settings.vpc_id}.",
                    ),
                    *(
                        (
                            f"self.availability_zone_id != {zone}",
                            f"{subnet_id} is in the zone of another of network.vpc.private_subnet_ids: "
                            "choose one subnet per zone, in at least two zones.",
                        )
                        for zone in zones
                    ),
                ),
            )
            zones.append(f"{subnet.fqn}.availability_zone_id")


def _require(*conditions: tuple[str, str]) -> TerraformResourceLifecycle:
    return TerraformResourceLifecycle(
        postcondition=[
            Postcondition(condition=f"${{{condition}}}", error_message=message)
            for condition, message in conditions
        ]
    )
