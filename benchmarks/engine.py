"""What is measured: an engine takes one batch at a time and returns when it is durable."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

from local.servers import PostgresAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where an engine's services are; any may be a delay proxy's.

    `postgres`: an empty, migrated database that no other engine uses, and its administrator's login.
    """

    postgres: PostgresAddress
    redis_host: str
    redis_port: int
    s3_url: str
    bucket: str

    def as_json(self) -> dict[str, Any]:
        """Return the addresses for another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Return the addresses that another process sent."""
        return cls(**{**document, "postgres": PostgresAddress(**document["postgres"])})


class Engine(Protocol):
    """One way to do the pipeline's work. Derive a class from it, without arguments to its constructor."""

    name: str

    def open(self, addresses: Addresses) -> None:
        """Connect."""

    def prepare(self, event: dict[str, Any]) -> Any:
        """Return what `run` takes, made from an event of Lambda; not measured."""
        return event

    def run(self, prepared: Any) -> int:
        """Process one batch until it is durable; return how many of its records are."""
        ...

    def close(self) -> None:
        """Drop the connections."""
