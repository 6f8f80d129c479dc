"""Any wrong answer of Secrets Manager is a failed dependency (with a fake client)."""

import asyncio
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from processor.adapters.secrets import member, read_password, read_secret
from processor.errors import DependencyError


class FakeSecretsManager:
    """A client that returns this, or raises it."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    async def get_secret_value(self, **_: str) -> object:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def read(answer: object) -> dict[str, Any]:
    return asyncio.run(read_secret(FakeSecretsManager(answer), "arn"))  # type: ignore[arg-type]


def test_a_secret_is_its_members() -> None:
    assert read({"SecretString": '{"username": "u", "port": 5}'}) == {"username": "u", "port": 5}


@pytest.mark.parametrize(
    "answer",
    [
        EndpointConnectionError(endpoint_url="http://127.0.0.1"),
        TimeoutError("late"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "of a body that is no text"),
        AttributeError("of a parser that was given a list"),
        TypeError("of a parser that was given a number"),
        {},
        {"SecretString": ""},
        {"SecretString": 5},
        {"SecretString": "no JSON"},
        {"SecretString": "[]"},
        {"SecretString": "[" * 100_000},
    ],
    ids=lambda answer: repr(answer)[:40],
)
def test_any_other_answer_is_a_failed_dependency(answer: object) -> None:
    with pytest.raises(DependencyError, match="secret arn"):
        read(answer)


@pytest.mark.parametrize("value", [None, "", 5, ["x"]])
def test_a_member_is_a_text(value: object) -> None:
    with pytest.raises(DependencyError, match="holds no 'username'"):
        member({"username": value}, "arn", "username")


def test_a_password_is_the_text_or_its_member() -> None:
    def password(text: str) -> object:
        return asyncio.run(read_password(FakeSecretsManager({"SecretString": text}), "arn"))  # type: ignore[arg-type]

    assert password("plain") == ("plain",)
    assert password('{"password": "p"}') == ("p",)
    assert password('{"password": "p", "username": "u"}') == ("u", "p")
