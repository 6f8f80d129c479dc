"""What an invocation on AWS answers, and which errors are the event's."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from catalog.repair.invocation import (
    MAX_PAYLOAD_BYTES,
    InvocationError,
    LambdaFunction,
    invoke_completely,
)

DONE: dict[str, Any] = {"batchItemFailures": []}


class Body:
    """A stream of bytes, as the client returns it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def read(self) -> bytes:
        return self._content


class Client:
    """Lambda's client with one answer; `sent`: the arguments of its calls."""

    def __init__(self, body: object = None, *, raises: str | None = None, **answer: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        self._answer = {"StatusCode": 200, "Payload": Body(json.dumps(body).encode()), **answer}
        self._raises = raises

    async def invoke(self, **arguments: Any) -> dict[str, Any]:
        self.sent.append(arguments)
        if self._raises:
            raise ClientError({"Error": {"Code": self._raises, "Message": "its words"}}, "Invoke")
        return self._answer


async def test_the_event_is_sent_as_it_was() -> None:
    client = Client(DONE)
    assert await invoke_completely(LambdaFunction(client, "processor"), b'{"Records": []}') == DONE
    assert client.sent == [{"FunctionName": "processor", "Payload": b'{"Records": []}'}]


@pytest.mark.parametrize(
    ("client", "message", "is_divisible"),
    [
        (
            Client({"errorType": "TypeError", "errorMessage": "a\x1b[31m"}, FunctionError="Unhandled"),
            "TypeError: a\\x1b[31m",
            True,
        ),
        (Client([], FunctionError="Unhandled"), "[]", True),
        (
            Client({"batchItemFailures": [{"itemIdentifier": "12"}]}),
            "unfinished from sequence number 12 on: see the log",
            False,
        ),
        (Client({"pending": 1}), 'an answer of another kind: {"pending": 1}', False),
        (
            Client(raises="TooManyRequestsException"),
            "An error occurred (TooManyRequestsException) when calling the Invoke operation: its words",
            False,
        ),
    ],
)
async def test_what_is_not_done_says_why(client: Client, message: str, is_divisible: bool) -> None:  # noqa: FBT001
    with pytest.raises(InvocationError) as raised:
        await invoke_completely(LambdaFunction(client, "processor"), b"{}")
    assert (str(raised.value), raised.value.is_divisible) == (message, is_divisible)


async def test_missing_rights_end_the_command() -> None:
    with pytest.raises(ClientError):
        await LambdaFunction(Client(raises="AccessDeniedException"), "processor").invoke(b"{}")


async def test_what_lambda_does_not_take_is_not_sent() -> None:
    client = Client(DONE)
    with pytest.raises(InvocationError, match="Lambda takes 6,291,456"):
        await invoke_completely(LambdaFunction(client, "processor"), b"x" * (MAX_PAYLOAD_BYTES + 1))
    assert client.sent == []
