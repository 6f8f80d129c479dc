"""The cache's passwords: presigned requests, whose signature the test computes itself."""

import asyncio
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError
from redis.exceptions import AuthenticationError

from processor.adapters.redis_login import AsyncPassword, iam_token
from processor.errors import SettingsError

SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
REGION = "eu-west-1"


def token(username: str = "processor-dev", session_token: str | None = None) -> str:
    credentials = ReadOnlyCredentials("AKIDEXAMPLE", SECRET_KEY, session_token)
    return iam_token(credentials, username=username, cluster_id="catalog-dev", region=REGION)


def query_of(text: str) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(urlsplit(f"//{text}").query).items()}


def test_it_is_a_request_to_connect_without_scheme() -> None:
    text = token()
    assert text.startswith("catalog-dev/?Action=connect&User=processor-dev&")
    assert "://" not in text
    query = query_of(text)
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert query["X-Amz-SignedHeaders"] == "host"
    assert "X-Amz-Security-Token" not in query


def test_it_is_valid_for_15_minutes_from_now() -> None:
    query = query_of(token())
    assert query["X-Amz-Expires"] == "900"
    signed_at = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - signed_at) < timedelta(minutes=1)


@pytest.mark.parametrize("session_token", [None, "IQoJb3JpZ2luX2VjE+/=="])
@pytest.mark.parametrize("username", ["processor-dev", "a b&c=d"])
def test_its_signature(username: str, session_token: str | None) -> None:
    """Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html."""
    text = token(username, session_token)
    query = query_of(text)
    signature = query.pop("X-Amz-Signature")
    assert query["User"] == username
    assert query.get("X-Amz-Security-Token") == session_token
    day = query["X-Amz-Date"][:8]
    scope = f"{day}/{REGION}/elasticache/aws4_request"
    assert query["X-Amz-Credential"] == f"AKIDEXAMPLE/{scope}"
    canonical_query = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in sorted(query.items()))
    canonical = f"GET\n/\n{canonical_query}\nhost:catalog-dev\n\nhost\n{hashlib.sha256(b'').hexdigest()}"
    to_sign = (
        f"AWS4-HMAC-SHA256\n{query['X-Amz-Date']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    )
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (day, REGION, "elasticache", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    assert signature == hmac.digest(key, to_sign.encode(), "sha256").hex()


def test_the_provider_fetches_credentials_for_each_connection() -> None:
    asked = 0

    async def ask() -> tuple[str, str]:
        nonlocal asked
        asked += 1
        return "user", f"password {asked}"

    async def connect_twice() -> list[tuple[str, str] | tuple[str]]:
        provider = AsyncPassword(ask)
        return [await provider.get_credentials_async() for _ in range(2)]

    assert asyncio.run(connect_twice()) == [("user", "password 1"), ("user", "password 2")]
    with pytest.raises(TypeError, match="asyncio"):
        AsyncPassword(ask).get_credentials()


@pytest.mark.parametrize(
    "failure",
    [
        ClientError({"Error": {"Code": "AccessDenied"}}, "AssumeRoleWithWebIdentity"),
        RuntimeError("the refreshed credentials are still expired"),
        KeyError("AccessKeyId"),
        SettingsError("no credentials"),
    ],
)
def test_whatever_a_login_raises_is_a_failed_login(failure: Exception) -> None:
    async def ask() -> tuple[str]:
        raise failure

    with pytest.raises(AuthenticationError) as caught:
        asyncio.run(AsyncPassword(ask).get_credentials_async())
    assert type(failure).__name__ in str(caught.value)
