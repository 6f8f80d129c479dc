"""What the shell that runs the local tools must not change in them."""

from collections.abc import MutableMapping

_LOOPBACK = "127.0.0.1,localhost,::1"
# The tools tell botocore and asyncpg all they need; what these say would lead elsewhere, or to an error.
_LEADS_ELSEWHERE = ("AWS_", "PG")


def stay_on_this_machine(environment: MutableMapping[str, str]) -> None:
    """Let no proxy come between the tools and loopback, and forget AWS's and PostgreSQL's variables."""
    for name in [name for name in environment if name.startswith(_LEADS_ELSEWHERE)]:
        del environment[name]
    # Of the two, some programs read this one first and some the other.
    told = environment.get("no_proxy") or environment.get("NO_PROXY")
    environment["no_proxy"] = environment["NO_PROXY"] = f"{told},{_LOOPBACK}" if told else _LOOPBACK
