"""The fast way to AWS for ordinary calls, beside the careful one (ADR 25).

aioboto3 takes half of a cold start, and a third of a small batch's CPU time, for what nearly no call needs:
every source of settings and credentials, every kind of endpoint, retries, errors. So ordinary calls are
signed and sent here. Only a clear answer counts: after any other, or none, aioboto3 makes the same call
again, which is safe for each of them.
"""

import base64
import hashlib
import importlib.util
import json
import os.path
import re
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from processor.adapters.aws_signature import Scope, signed_headers
from processor.adapters.http_exchange import Answer, Exchanges, Expected, Server

# https://docs.aws.amazon.com/general/latest/gr/rande.html: without China, the governments and the European
# Sovereign Cloud, whose endpoints have other names.
_REGION = re.compile(r"(af|ap|ca|eu|il|me|mx|sa|us)-(central|(north|south)(east|west)?|east|west)-[0-9]")
# A name with a dot fits no certificate; one with "--" may be a directory bucket's or an access point's.
_BUCKET = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_URL = re.compile(r"(https?)://([A-Za-z0-9.-]+)(?::([0-9]{1,5}))?/?")
# botocore reads dozens of variables, more with each version. So any that may be for it and is not among those
# that Lambda sets is not ordinary.
_FOR_BOTOCORE = re.compile(r"(AWS_|BOTO).*|REQUESTS_CA_BUNDLE|(HTTPS?|ALL)_PROXY", re.IGNORECASE)
_ORDINARY = re.compile(
    r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|(DEFAULT_)?REGION|EXECUTION_ENV|(LAMBDA|XRAY)_.*"
    r"|ENDPOINT_URL|EC2_METADATA_DISABLED)"
)
# Certificates to trust, which matter with TLS only.
_FOR_TLS = frozenset({"AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"})
_PRINTABLE = re.compile(r"[!-~]+")
# A secret has at most 64 KiB, of which JSON may escape each byte.
_MOST_SECRET_BYTES = 512 * 1024
# A login of the cache, which reads a secret, has three seconds, in which aioboto3 must have its turn.
_SECRET_SECONDS = 1.0
_LAST_PORT = 65_535


class Credentials(NamedTuple):
    """The credentials in the environment variables."""

    access_key: str
    secret_key: str
    token: str | None


class OrdinaryAws:
    """Makes calls to the AWS services of one region, if they are ordinary.

    `variables`: the environment variables. Credentials are read for each call, since a process may get new
    ones; everything else, once, as botocore does.
    """

    def __init__(self, region: str, variables: Mapping[str, str], exchanges: Exchanges | None = None) -> None:
        self._region = region
        self._variables = variables
        url = variables.get("AWS_ENDPOINT_URL")
        self._endpoint = _server_of(url) if url else None
        has_tls = self._endpoint is None or self._endpoint.tls
        self._is_ordinary = (
            (not url or self._endpoint is not None)
            and _REGION.fullmatch(region) is not None
            and not _extraordinary(variables) - (frozenset() if has_tls else _FOR_TLS)
            # pathlib raises where there is no home, or it may not be looked into.
            and not os.path.exists(os.path.expanduser("~/.aws"))  # noqa: PTH110, PTH111
        )
        self._exchanges = exchanges or Exchanges(_trust)

    @property
    def credentials(self) -> Credentials | None:
        """The credentials in the environment variables; None if botocore may find others."""
        if not self._is_ordinary:
            return None
        read = self._variables.get
        found = Credentials(
            read("AWS_ACCESS_KEY_ID", ""), read("AWS_SECRET_ACCESS_KEY", ""), read("AWS_SESSION_TOKEN")
        )
        # They go into headers as they are.
        return found if all(_PRINTABLE.fullmatch(text) for text in found if text is not None) else None

    async def put_object(self, request: Mapping[str, Any]) -> bool:
        """Put an object unless it exists, with botocore's arguments; return whether it is there for sure."""
        bucket, path = request["Bucket"], f"/{quote(request['Key'])}"
        if not _BUCKET.fullmatch(bucket):
            return False
        headers = {
            "content-type": request["ContentType"],
            "if-none-match": request["IfNoneMatch"],
            "x-amz-checksum-sha256": request["ChecksumSHA256"],
            "x-amz-content-sha256": base64.b64decode(request["ChecksumSHA256"]).hex(),
            "x-amz-sdk-checksum-algorithm": request["ChecksumAlgorithm"],
        }
        # S3 returns the checksum that came with the object, so its answer is that of this put.
        expected = Expected(header=(b"x-amz-checksum-sha256", request["ChecksumSHA256"].encode()))
        path = f"/{bucket}{path}" if self._endpoint else path
        call = _Call("s3", "PUT", path, headers, request["Body"], expected)
        return await self._answer(call, f"{bucket}.s3") is not None

    async def get_secret_value(self, arn: str) -> Mapping[str, Any] | None:
        """Return the answer that has a secret's text; None if there is no such answer."""
        body = json.dumps({"SecretId": arn}).encode()
        headers = {
            "content-type": "application/x-amz-json-1.1",
            "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
            "x-amz-target": "secretsmanager.GetSecretValue",
        }
        call = _Call("secretsmanager", "POST", "/", headers, body, Expected(most_bytes=_MOST_SECRET_BYTES))
        answer = await self._answer(call, "secretsmanager", patience_seconds=_SECRET_SECONDS)
        try:
            secret = json.loads(answer.body) if answer else None
        except (ValueError, RecursionError):
            return None
        return secret if isinstance(secret, dict) and isinstance(secret.get("SecretString"), str) else None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._exchanges.aclose()

    async def _answer(
        self, call: "_Call", name: str, *, patience_seconds: float | None = None
    ) -> Answer | None:
        """Sign and send a call to the service of this name; return the answer if it is clear."""
        credentials = self.credentials
        if credentials is None:
            return None
        server = self._endpoint or Server(f"{name}.{self._region}.amazonaws.com", 443, tls=True)
        default_port = 443 if server.tls else 80
        host = server.host if server.port == default_port else f"{server.host}:{server.port}"
        headers = signed_headers(
            {"host": host, **call.headers},
            method=call.method,
            path=call.path,
            credentials=credentials,
            scope=Scope(call.service, self._region, datetime.now(UTC)),
        )
        headers |= {"content-length": str(len(call.body)), "user-agent": "product-catalog-pipeline"}
        if trace := self._variables.get("_X_AMZN_TRACE_ID"):
            headers["x-amzn-trace-id"] = quote(trace, safe="-=;:+&[]{}\"',")  # by it, AWS notices loops
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = f"{call.method} {call.path} HTTP/1.1\r\n{head}\r\n".encode() + call.body
        return await self._exchanges.ask(server, request, call.expected, patience_seconds=patience_seconds)


class _Call(NamedTuple):
    """One call of a service, and what its answer must be like."""

    service: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    expected: Expected


def _extraordinary(variables: Mapping[str, str]) -> set[str]:
    """Return the names of variables that botocore may read and this module does not know."""
    return {name for name in variables if _FOR_BOTOCORE.fullmatch(name) and not _ORDINARY.fullmatch(name)}


def _server_of(url: str) -> Server | None:
    """Return where all services of an emulator are; None for a URL with anything but a host and a port."""
    found = _URL.fullmatch(url)
    if found is None:
        return None
    tls = found[1] == "https"
    port = int(found[3] or (443 if tls else 80))
    return Server(found[2].lower(), port, tls=tls) if port <= _LAST_PORT else None


def _trust() -> ssl.SSLContext:
    """Return a context that verifies the host's name and certificate, with the authorities of botocore."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    botocore = importlib.util.find_spec("botocore")  # which does not import it
    folders = botocore.submodule_search_locations if botocore else None
    context.load_verify_locations(Path(*(folders or ())[:1], "cacert.pem"))
    return context
