"""Failed batches that wait to be redriven."""

from dataclasses import dataclass
from datetime import datetime

from catalog.connections import Connections
from catalog.objects import list_keys
from catalog.repair.marks import Marks, read_marks

FAILED_PREFIX = "aws/lambda/"
"""In the quarantine bucket; Lambda writes them there."""


@dataclass(frozen=True, slots=True)
class WaitingFailures:
    """`queue_messages`: about as many. `objects`: not redriven. `oldest_at`: when the first one failed."""

    queue_messages: int
    objects: int
    oldest_at: datetime | None


async def waiting_failures(connections: Connections, known: Marks | None = None) -> WaitingFailures:
    """Count the failed batches that wait; the objects of those that were redriven stay, and are left out.

    `known`: the marks of what was redriven that were read before; new ones are added.
    """
    environment = connections.environment
    names = ["", "NotVisible", "Delayed"]
    answer = await (await connections.aws("sqs")).get_queue_attributes(
        QueueUrl=environment.queue_url,
        AttributeNames=[f"ApproximateNumberOfMessages{name}" for name in names],
    )
    listed = list_keys(await connections.aws("s3"), environment.quarantine_bucket, FAILED_PREFIX)
    written = {found["Key"]: found["LastModified"] async for found in listed}
    if written:
        redriven = (await read_marks(connections, known)).batches
        written = {key: at for key, at in written.items() if key not in redriven}
    return WaitingFailures(
        sum(map(int, answer.get("Attributes", {}).values())),
        len(written),
        min(written.values(), default=None),
    )
