"""What a deployment on this machine is not: what was replaced or corrected, and what an emulator cannot hold.

Each with its reason. `overrides.py` makes the replacements from here, so that none goes untold.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One difference to a deployment on AWS: the part it concerns, and why it is so."""

    part: str
    reason: str


_NO_TLS = "the embedded servers know no TLS"
_OWN_PORTS = "the stack's ports are the services' usual ones, and here each server takes a free one"

REPLACED_VARIABLES: Mapping[str, str] = {
    "DB_TLS": _NO_TLS,
    "DB_PORT": _OWN_PORTS,
    "REDIS_TLS": _NO_TLS,
    "REDIS_AUTH": "a login with IAM needs TLS, and an AWS account that signs",
    "REDIS_PORT": _OWN_PORTS,
}
"""The functions' environment variables that `overrides.py` replaces; DB_HOST and REDIS_ENDPOINT stay."""

REPLACED_ARGUMENTS: Mapping[str, str] = {
    "aws_lambda_event_source_mapping.enabled": (
        "the emulator's own mapping ignores ReportBatchItemFailures; ours reads the stream, with the "
        "deployed mapping's settings"
    ),
}
"""The resources' arguments that `overrides.py` replaces, as `<kind>.<argument>`."""

REPLACED_SETTINGS: Mapping[str, str] = {
    "CATALOG_ARCHITECTURE": "functions run on this machine's processor, whichever the stack's settings say",
}
"""The settings of main.py that differ from a deployment's."""

CORRECTIONS: Mapping[str, str] = {
    "rds_managed_secret": "gives an instance neither its administrator's secret nor a real server's address",
    "ec2_prefix_lists": "forgets the prefix lists of security groups' rules, and later plans then fail",
    "kinesis_sequence_numbers": "begins sequence numbers with zeros, which AWS's pattern refuses",
    "repeated_requests": "carries out again what a client sends again because it got no answer",
}
"""What `corrections.py` mends in the emulator."""

NOT_CHECKED = (
    Difference(
        part="TLS to the database and the cache", reason=_NO_TLS + "; tests/integration/test_tls.py tries it"
    ),
    Difference(
        part="IAM login to the cache, its users' access strings",
        reason="the embedded Valkey has none of ElastiCache's users",
    ),
    Difference(
        part="rights: IAM, bucket, queue and endpoint policies",
        reason="the emulator checks none; tests/contract holds the permissions used against those granted",
    ),
    Difference(
        part="the network: security groups, routes, endpoints, private DNS",
        reason="everything is on loopback",
    ),
    Difference(part="encryption with KMS", reason="the emulator stores what it is given as it is"),
    Difference(
        part="RDS: parameters (force_ssl, timeouts), storage growth, backups, log exports",
        reason="the embedded PostgreSQL has settings of its own",
    ),
    Difference(
        part="what time does: lifecycle rules, retention, alarms, metrics, the dashboard, X-Ray",
        reason="the emulator keeps the settings and acts on none",
    ),
    Difference(
        part="Lambda's own event source mapping, its metrics configuration, and its failure destination",
        reason="the emulator's does not follow AWS's rules; ours (local/emulated_aws) does, and is tested",
    ),
    Difference(
        part="Lambda's sandbox: memory, frozen environments, Amazon Linux, arm64",
        reason="functions are processes of this machine, on Python of the same minor version",
    ),
    Difference(
        part="a second plan that finds nothing to change",
        reason="the emulator answers some arguments otherwise than they were set (its drift, not ours)",
    ),
    Difference(part="quotas, throttling, eventual consistency", reason="the emulator has none"),
)


def all_differences(provider: str | None) -> list[Difference]:
    """Return every difference, in the order to tell them; `provider`: why it was not the exact one."""
    return [
        *([] if provider is None else [Difference(part="another provider", reason=provider)]),
        *_of("replaced setting", REPLACED_SETTINGS),
        *_of("replaced argument", REPLACED_ARGUMENTS),
        *_of("replaced variable", REPLACED_VARIABLES),
        *(
            Difference(part=f"corrected {name}", reason=f"plain ministack {fault}")
            for name, fault in CORRECTIONS.items()
        ),
        *(
            Difference(part=f"not held: {difference.part}", reason=difference.reason)
            for difference in NOT_CHECKED
        ),
    ]


def _of(kind: str, reasons: Mapping[str, str]) -> list[Difference]:
    return [Difference(part=f"{kind} {name}", reason=reason) for name, reason in reasons.items()]
