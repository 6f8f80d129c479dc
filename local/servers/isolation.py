"""Keep the shell's environment variables from leading the local tools away from loopback."""

from collections.abc import MutableMapping

_LOOPBACK = "127.0.0.1,localhost,::1"
# The tools give botocore and asyncpg every setting; these variables would lead elsewhere, or to an error.
_LEADS_ELSEWHERE = ("AWS_", "PG")


def stay_on_this_machine(variables: MutableMapping[str, str]) -> None:
    """Exclude loopback from proxies, and remove AWS's and PostgreSQL's variables."""
    for name in [name for name in variables if name.startswith(_LEADS_ELSEWHERE)]:
        del variables[name]
    # Some programs read the lower-case variable first, others the upper-case one.
    hosts = variables.get("no_proxy") or variables.get("NO_PROXY")
    variables["no_proxy"] = variables["NO_PROXY"] = f"{hosts},{_LOOPBACK}" if hosts else _LOOPBACK
