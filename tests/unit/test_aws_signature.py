"""Signatures are those of botocore, for any key, header and credentials."""

import hashlib
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from processor.adapters.aws_signature import Scope, signed_headers
from processor.adapters.redis_login import iam_token

PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
CREDENTIALS = st.builds(ReadOnlyCredentials, PRINTABLE, PRINTABLE, st.none() | PRINTABLE)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60) | st.sampled_from(
    ["inventory/dt=2026-01-31/shardId-000000000006/1-2-abc.ndjson.gz", "a=b/é %x+~*'()", "a//b/./../c", "%2F"]
)
REGIONS = st.sampled_from(["us-east-1", "eu-central-1", "ap-southeast-7"])


def time_of(timestamp: str) -> datetime:
    """Return the time that botocore has signed."""
    return datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


@given(
    key=KEYS,
    body=st.binary(max_size=50),
    credentials=CREDENTIALS,
    region=REGIONS,
    host=st.sampled_from(["localhost:4566", "archive.s3.eu-central-1.amazonaws.com"]),
    scheme=st.sampled_from(["http", "https"]),
)
def test_a_put_is_signed_as_by_botocore(
    key: str, body: bytes, credentials: ReadOnlyCredentials, region: str, host: str, scheme: str
) -> None:
    headers = {
        "content-type": "application/gzip",
        "if-none-match": "*",
        "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
    }
    path = f"/{quote(key)}"
    request = AWSRequest("PUT", f"{scheme}://{host}{path}", headers=headers, data=body)
    S3SigV4Auth(credentials, "s3", region).add_auth(request)
    scope = Scope("s3", region, time_of(request.headers["X-Amz-Date"]))
    ours = signed_headers(
        {"host": host, **headers}, method="PUT", path=path, credentials=credentials, scope=scope
    )
    assert ours["authorization"] == request.headers["Authorization"]
    assert ours.get("x-amz-security-token") == request.headers.get("X-Amz-Security-Token")


@given(credentials=CREDENTIALS, region=REGIONS, body=st.binary(max_size=50))
def test_a_call_of_secrets_manager_is_signed_as_by_botocore(
    credentials: ReadOnlyCredentials, region: str, body: bytes
) -> None:
    host = f"secretsmanager.{region}.amazonaws.com"
    headers = {
        "x-amz-target": "secretsmanager.GetSecretValue",
        "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
    }
    request = AWSRequest("POST", f"https://{host}/", headers=headers, data=body)
    SigV4Auth(credentials, "secretsmanager", region).add_auth(request)
    scope = Scope("secretsmanager", region, time_of(request.headers["X-Amz-Date"]))
    ours = signed_headers(
        {"host": host, **headers}, method="POST", path="/", credentials=credentials, scope=scope
    )
    assert ours["authorization"] == request.headers["Authorization"]


@given(
    credentials=CREDENTIALS,
    region=REGIONS,
    username=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
)
def test_a_token_of_the_cache_is_that_of_botocore(
    credentials: ReadOnlyCredentials, region: str, username: str
) -> None:
    url = f"http://catalog-dev/?Action=connect&User={quote(username, safe='')}"
    text = iam_token(credentials, username=username, cluster_id="catalog-dev", region=region)
    ours = dict(parse_qsl(urlsplit(f"//{text}").query, keep_blank_values=True))
    signer: Any = SigV4QueryAuth(credentials, "elasticache", region, expires=900)
    request: Any = AWSRequest("GET", url)
    request.context["timestamp"] = ours["X-Amz-Date"]
    # What `add_auth` does, at the time that our token has.
    signer._modify_request_before_signing(request)
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    theirs = dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))
    assert ours == {**theirs, "X-Amz-Signature": signature}
