"""AWS Signature Version 4, of headers and of a URL, with the standard library alone.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. botocore signs the
same, but importing it takes a quarter of a cold start (ADR 25).
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Protocol
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"
_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


class AwsCredentials(Protocol):
    """Credentials of AWS, as botocore's have them too; `token` only where they are temporary."""

    @property
    def access_key(self) -> str | None: ...
    @property
    def secret_key(self) -> str | None: ...
    @property
    def token(self) -> str | None: ...


class Scope(NamedTuple):
    """What a signature is valid for."""

    service: str
    region: str
    at: datetime

    @property
    def timestamp(self) -> str:
        """The time in AWS's form; `at` is in UTC."""
        return f"{self.at:%Y%m%dT%H%M%SZ}"

    def __str__(self) -> str:
        return f"{self.at:%Y%m%d}/{self.region}/{self.service}/aws4_request"


def signed_headers(
    headers: Mapping[str, str], *, method: str, path: str, credentials: AwsCredentials, scope: Scope
) -> dict[str, str]:
    """Return these headers and the time, the session's token and the signature of all of them.

    `headers`: by lower-case name, `host` and `x-amz-content-sha256` among them; no value has white space at
    its ends or in a row. `path`: percent-encoded, as it is sent, without a query.
    """
    signed = {**headers, "x-amz-date": scope.timestamp}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    request = f"{method}\n{path}\n\n{lines}\n{names}\n{headers['x-amz-content-sha256']}"
    signed["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={names}, Signature={_signature(request, credentials, scope)}"
    )
    return signed


def signed_query(
    query: Mapping[str, str], *, host: str, expires_seconds: int, credentials: AwsCredentials, scope: Scope
) -> str:
    """Return this query with a signature, for a GET of the host's `/`."""
    parameters = {
        **query,
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": scope.timestamp,
        "X-Amz-Expires": str(expires_seconds),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.token:
        parameters["X-Amz-Security-Token"] = credentials.token
    encoded = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in parameters.items())
    text = "&".join(f"{name}={value}" for name, value in encoded)
    signature = _signature(f"GET\n/\n{text}\nhost:{host}\n\nhost\n{_EMPTY_SHA256}", credentials, scope)
    return f"{text}&X-Amz-Signature={signature}"


def _signature(canonical_request: str, credentials: AwsCredentials, scope: Scope) -> str:
    key = f"AWS4{credentials.secret_key}".encode()
    for part in str(scope).split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    hashed = hashlib.sha256(canonical_request.encode()).hexdigest()
    return hmac.digest(key, f"{_ALGORITHM}\n{scope.timestamp}\n{scope}\n{hashed}".encode(), "sha256").hex()
