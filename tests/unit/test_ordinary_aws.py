"""Which calls are ordinary: anything that would make botocore do otherwise is not."""

import asyncio
import pwd
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from processor.adapters.http_exchange import Answer, Exchanges, Expected, Server
from processor.adapters.ordinary_aws import OrdinaryAws

LAMBDA = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
    "AWS_LAMBDA_FUNCTION_NAME": "inventory-processor",
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
    "PATH": "/var/lang/bin",
    "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
}
PUT = {
    "Bucket": "archive",
    "Key": "inventory/dt=2026-01-31/1.ndjson.gz",
    "Body": b"",
    "ContentType": "application/gzip",
    "ChecksumAlgorithm": "SHA256",
    "ChecksumSHA256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "IfNoneMatch": "*",
}


class Recorded(Exchanges):
    """Exchanges that keep what they are asked and send nothing."""

    def __init__(self) -> None:
        super().__init__(lambda: pytest.fail("nothing is sent"))
        self.asked: list[tuple[Server, bytes]] = []

    async def ask(
        self, server: Server, request: bytes, expected: Expected, *, patience_seconds: float | None = None
    ) -> Answer | None:
        self.asked.append((server, request))
        return Answer(200, b"", leaves_usable=True)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home directory without settings of AWS."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def asked(
    variables: dict[str, str], *, region: str = "eu-central-1", **request: Any
) -> tuple[Server, bytes] | None:
    """Return where a put goes and what is sent, or None if it is not ordinary."""
    exchanges = Recorded()
    ordinary = OrdinaryAws(region, variables, exchanges)
    assert asyncio.run(ordinary.put_object(PUT | request)) == bool(exchanges.asked)
    return exchanges.asked[0] if exchanges.asked else None


def test_lambdas_variables_are_ordinary() -> None:
    found = asked(LAMBDA)
    assert found is not None
    server, request = found
    assert server == Server("archive.s3.eu-central-1.amazonaws.com", 443, tls=True)
    head = request.decode().lower()
    assert head.startswith("put /inventory/dt%3d2026-01-31/1.ndjson.gz http/1.1\r\n")
    for line in (
        "host: archive.s3.eu-central-1.amazonaws.com",
        "content-type: application/gzip",
        "content-length: 0",
        "if-none-match: *",
        "x-amz-checksum-sha256: 47deqpj8hbsa+/timw+5jceuqerkm5nmpjwzg3hsufu=",
        "x-amz-sdk-checksum-algorithm: sha256",
        "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "x-amz-security-token: token",
        "x-amzn-trace-id: root=1-5759e988-bd862e3fe1be46a994272793;parent=53995c3f42cd8ad8;sampled=1",
    ):
        assert f"\r\n{line}\r\n" in head
    assert "expect" not in head


@pytest.mark.parametrize(
    "name",
    [
        "AWS_BEARER_TOKEN_S3",
        "AWS_CA_BUNDLE",
        "AWS_CONFIG_FILE",
        "AWS_DATA_PATH",
        "AWS_DEFAULT_PROFILE",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_PROFILE",
        "AWS_REQUEST_CHECKSUM_CALCULATION",
        "AWS_SECURITY_TOKEN",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_SIGV4A_SIGNING_REGION_SET",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_WHAT_COMES_NEXT",
        "BOTOCORE_EXPERIMENTAL__PLUGINS",
        "HTTPS_PROXY",
        "http_proxy",
        "https_proxy",
        "REQUESTS_CA_BUNDLE",
    ],
)
def test_a_variable_that_may_be_for_botocore_is_not(name: str) -> None:
    assert asked(LAMBDA | {name: "any"}) is None


def test_authorities_mean_nothing_without_tls() -> None:
    plain = {"AWS_CA_BUNDLE": "any", "REQUESTS_CA_BUNDLE": "any", "AWS_ENDPOINT_URL": "http://localhost:1"}
    assert asked(LAMBDA | plain)
    assert asked(LAMBDA | plain | {"AWS_ENDPOINT_URL": "https://localhost:1"}) is None
    assert asked(LAMBDA | plain | {"AWS_PROFILE": "any"}) is None


def test_a_process_without_a_home_has_no_folder_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert asked(LAMBDA) is not None


def test_a_folder_of_settings_is_not(home: Path) -> None:
    (home / ".aws").mkdir()
    assert asked(LAMBDA) is None


@pytest.mark.parametrize(
    ("region", "accepted"),
    [
        *((region, True) for region in boto3.Session().get_available_regions("s3")),
        *(
            (region, False)
            for partition in ("aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f")
            for region in boto3.Session().get_available_regions("s3", partition)
        ),
        ("eusc-de-east-1", False),
        ("us-gov-west-1", False),
        ("cn-north-1", False),
        ("aws-global", False),
        ("eu-central-1.example.com/", False),
    ],
)
def test_only_a_commercial_region_is(region: str, *, accepted: bool) -> None:
    assert bool(asked(LAMBDA, region=region)) == accepted


@pytest.mark.parametrize("bucket", ["with.dot", "Upper", "a_b", "express--use1-az4--x-s3", "ab", "-a-b"])
def test_another_kind_of_bucket_is_not(bucket: str) -> None:
    assert asked(LAMBDA, Bucket=bucket) is None


@pytest.mark.parametrize("region", ["eu-central-1", "ap-southeast-7", "us-west-2"])
def test_endpoints_are_those_of_botocore(region: str) -> None:
    session = boto3.Session("AKIDEXAMPLE", "secret", region_name=region)
    url = session.client("s3", config=Config(signature_version="s3v4")).meta.endpoint_url
    found = asked(LAMBDA, region=region)
    assert found is not None
    assert url == f"https://{found[0].host.removeprefix('archive.')}"
    exchanges = Recorded()
    asyncio.run(OrdinaryAws(region, LAMBDA, exchanges).get_secret_value("arn"))
    assert session.client("secretsmanager").meta.endpoint_url == f"https://{exchanges.asked[0][0].host}"


@pytest.mark.parametrize(
    ("url", "server", "host"),
    [
        ("http://127.0.0.1:5000", Server("127.0.0.1", 5000, tls=False), "127.0.0.1:5000"),
        ("https://Emulator.example/", Server("emulator.example", 443, tls=True), "emulator.example"),
        ("http://emulator:80", Server("emulator", 80, tls=False), "emulator"),
        ("http://emulator/path", None, None),
        ("http://user@emulator", None, None),
        ("http://[::1]:5000", None, None),
        ("http://emulator:5000\r\nx", None, None),
    ],
)
def test_an_emulator_is_addressed_by_path(url: str, server: Server | None, host: str | None) -> None:
    found = asked(LAMBDA | {"AWS_ENDPOINT_URL": url})
    if server is None:
        assert found is None
        return
    assert found is not None
    assert found[0] == server
    assert found[1].startswith(b"PUT /archive/inventory/dt%3D")
    assert f"\r\nhost: {host}\r\n".encode() in found[1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"AWS_ACCESS_KEY_ID": ""},
        {"AWS_SECRET_ACCESS_KEY": ""},
        {"AWS_SESSION_TOKEN": ""},
        {"AWS_SESSION_TOKEN": "a\r\nx-injected: b"},
        {"AWS_ACCESS_KEY_ID": "ä"},
    ],
)
def test_without_sound_credentials_nothing_is(wrong: dict[str, str]) -> None:
    assert asked(LAMBDA | wrong) is None


def test_credentials_are_read_for_each_call() -> None:
    variables = dict(LAMBDA)
    exchanges = Recorded()
    ordinary = OrdinaryAws("eu-central-1", variables, exchanges)
    asyncio.run(ordinary.put_object(PUT))
    del variables["AWS_SESSION_TOKEN"]
    variables["AWS_ACCESS_KEY_ID"] = "AKIDNEW"
    asyncio.run(ordinary.put_object(PUT))
    first, second = (request for _, request in exchanges.asked)
    assert b"Credential=AKIDEXAMPLE/" in first
    assert b"Credential=AKIDNEW/" in second
    assert b"x-amz-security-token" not in second
