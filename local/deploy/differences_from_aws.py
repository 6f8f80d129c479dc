"""How a deployment on this machine differs from AWS: what is replaced or corrected, and what is not checked.

Each difference has its reason. `overrides.py` takes the replacements from here, so that each one is listed.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One difference from a deployment on AWS: the part it concerns, and the reason."""

    part: str
    reason: str


_NO_TLS = "the embedded servers are built without TLS"
_OWN_PORTS = "the stack uses the services' usual ports; here each server takes a free one"

REPLACED_VARIABLES: Mapping[str, str] = {
    "DB_TLS": _NO_TLS,
    "DB_PORT": _OWN_PORTS,
    "REDIS_TLS": _NO_TLS,
    "REDIS_AUTH": "an IAM login needs TLS and a real AWS account",
    "REDIS_PORT": _OWN_PORTS,
}
"""The functions' environment variables that `overrides.py` replaces; DB_HOST and REDIS_ENDPOINT stay."""

REPLACED_ARGUMENTS: Mapping[str, str] = {
    "aws_lambda_event_source_mapping.enabled": (
        "the emulator's mapping ignores ReportBatchItemFailures; ours reads the stream instead, with the "
        "deployed mapping's settings"
    ),
}
"""The resources' arguments that `overrides.py` replaces, as `<kind>.<argument>`."""

REPLACED_SETTINGS: Mapping[str, str] = {
    "CATALOG_ARCHITECTURE": "functions run on this machine's processor, whatever the stack's settings say",
}
"""The settings of main.py that differ from those of a deployment on AWS."""

CORRECTIONS: Mapping[str, str] = {
    "rds_managed_secret": "gives an instance neither an administrator's secret nor a real server's address",
    "ec2_prefix_lists": "loses the prefix lists of security group rules, so that later plans fail",
    "kinesis_sequence_numbers": "begins sequence numbers with zeros, which AWS's pattern excludes",
    "repeated_requests": "runs a request twice if the client repeats it because it got no response",
}
"""The faults of the emulator that `emulator_corrections.py` fixes."""

NOT_CHECKED = (
    Difference(
        part="TLS to the database and the cache", reason=_NO_TLS + "; tests/integration/test_tls.py tests it"
    ),
    Difference(
        part="IAM login to the cache, its users' access strings",
        reason="the embedded Valkey does not have ElastiCache's users",
    ),
    Difference(
        part="permissions: IAM, bucket, queue and endpoint policies",
        reason="the emulator checks none; tests/contract compares the permissions used with those granted",
    ),
    Difference(
        part="the network: security groups, routes, endpoints, private DNS",
        reason="everything is on loopback",
    ),
    Difference(part="encryption with KMS", reason="the emulator stores everything unencrypted"),
    Difference(
        part="RDS: parameters (force_ssl, timeouts), storage growth, backups, log exports",
        reason="the embedded PostgreSQL has different settings",
    ),
    Difference(
        part="whatever happens over time: lifecycle rules, retention, alarms, metrics, the dashboard, X-Ray",
        reason="the emulator stores the settings and ignores them",
    ),
    Difference(
        part="Lambda's event source mapping, its metrics configuration, and its on-failure destination",
        reason="the emulator's does not follow AWS's rules; ours (local/emulated_aws) does, and is tested",
    ),
    Difference(
        part="Lambda's sandbox: memory, frozen execution environments, Amazon Linux, arm64",
        reason="functions are processes of this machine, with the same minor version of Python",
    ),
    Difference(
        part="a second plan that finds nothing to change",
        reason="the emulator returns other values for some arguments than were set (its drift, not ours)",
    ),
    Difference(part="quotas, throttling, eventual consistency", reason="the emulator has none"),
)


def all_differences(provider: str | None) -> list[Difference]:
    """Return every difference in print order; `provider`: the provider in use, if not the exact one."""
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
            Difference(part=f"not checked: {difference.part}", reason=difference.reason)
            for difference in NOT_CHECKED
        ),
    ]


def _of(kind: str, reasons: Mapping[str, str]) -> list[Difference]:
    return [Difference(part=f"{kind} {name}", reason=reason) for name, reason in reasons.items()]
