"""Who may connect to whom: only what is declared with `Connection`, or `Admission` for whole networks."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf import ITerraformDependable, TerraformIterator, Token
from cdktf_cdktf_provider_aws.security_group import SecurityGroup as AwsSecurityGroup
from cdktf_cdktf_provider_aws.security_group import SecurityGroupTimeouts
from cdktf_cdktf_provider_aws.vpc_security_group_egress_rule import VpcSecurityGroupEgressRule
from cdktf_cdktf_provider_aws.vpc_security_group_ingress_rule import VpcSecurityGroupIngressRule
from constructs import Construct


class SecurityGroup(Construct):
    """A security group without rules, which `Connection` adds; `id`, `name`: the group's."""

    def __init__(self, scope: Construct, id_: str, *, name: str, description: str, vpc_id: str) -> None:
        super().__init__(scope, id_)
        group = AwsSecurityGroup(
            self,
            "Group",
            name=name,
            description=description,
            vpc_id=vpc_id,
            # Lambda releases a function's network interfaces up to 20 minutes after its deletion; the
            # provider's own timeout is 15.
            timeouts=SecurityGroupTimeouts(delete="45m"),
        )
        self.id = group.id
        self.name = name


@dataclass(frozen=True, kw_only=True)
class ExistingSecurityGroup:
    """A security group of somebody else, to which rules are added."""

    id: str


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A TCP port and who listens on it: a group's members, or a service with a prefix list of addresses.

    `name`: part of the ids of connections to it.
    """

    name: str
    port: int
    members: SecurityGroup | ExistingSecurityGroup | None = None
    prefix_list_id: str | None = None

    @property
    def group_id(self) -> str | None:
        """The id of the members' group."""
        return None if self.members is None else self.members.id


class Connection(Construct):
    """Security group rules that let the members of a group connect to a listener.

    `rules`: must exist before the first connection.
    """

    def __init__(self, scope: Construct, *, source: SecurityGroup, target: Listener) -> None:
        super().__init__(scope, f"To{target.name}")
        members = target.members
        egress = VpcSecurityGroupEgressRule(
            self,
            "Egress",
            description=f"To {target.name}",
            security_group_id=source.id,
            referenced_security_group_id=target.group_id,
            prefix_list_id=target.prefix_list_id,
            ip_protocol="tcp",
            from_port=target.port,
            to_port=target.port,
        )
        self.rules: list[ITerraformDependable] = [egress]
        if members is not None:
            ingress = VpcSecurityGroupIngressRule(
                self,
                "Ingress",
                description=f"From {source.name}",
                security_group_id=members.id,
                referenced_security_group_id=source.id,
                ip_protocol="tcp",
                from_port=target.port,
                to_port=target.port,
            )
            self.rules.append(ingress)


class Admission(Construct):
    """Security group rules that let every address of some ranges connect to a listener."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        description: str,
        cidrs: Sequence[str],
        target: Listener,
    ) -> None:
        super().__init__(scope, id_)
        if target.members is None:
            raise ValueError(f"{target.name} has no security group to which rules could be added")
        each = TerraformIterator.from_list(list(cidrs))
        VpcSecurityGroupIngressRule(
            self,
            "Ingress",
            for_each=each,
            description=description,
            security_group_id=target.members.id,
            cidr_ipv4=Token.as_string(each.value),
            ip_protocol="tcp",
            from_port=target.port,
            to_port=target.port,
        )
