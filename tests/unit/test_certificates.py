import re
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

BUNDLE = Path(__file__).parents[2] / "processor" / "certificates" / "rds-roots.pem"


@pytest.fixture(scope="module")
def context() -> ssl.SSLContext:
    """Return a client's context that trusts only the bundle, as the processor makes it."""
    return ssl.create_default_context(cafile=str(BUNDLE))


def test_every_certificate_is_a_ca_and_loads(context: ssl.SSLContext) -> None:
    written = BUNDLE.read_text(encoding="ascii").count("-----BEGIN CERTIFICATE-----")
    assert context.cert_store_stats() == {"x509": written, "x509_ca": written, "crl": 0}


def test_there_is_a_root_of_every_kind_for_every_region(context: ssl.SSLContext) -> None:
    kinds: dict[str, set[str]] = {}
    for certificate in certificates(context):
        match = re.fullmatch(r"Amazon RDS (\S+) Root CA (\w+) G1", common_name(certificate))
        assert match is not None, certificate
        assert certificate["issuer"] == certificate["subject"], certificate
        kinds.setdefault(match[1], set()).add(match[2])
    assert len(kinds) >= 27
    assert {region: kind for region, kind in kinds.items() if kind != {"RSA2048", "RSA4096", "ECC384"}} == {}


def test_none_expires_within_90_days_of_the_making(context: ssl.SSLContext) -> None:
    made = re.search(r"^# Made: (\S+) by ", BUNDLE.read_text(), re.MULTILINE)
    assert made is not None
    limit = datetime.fromisoformat(made[1]).replace(tzinfo=UTC) + timedelta(days=90)
    for certificate in certificates(context):
        assert expiry(certificate) > limit, certificate


def test_each_certificate_says_what_it_is_above_it() -> None:
    blocks = BUNDLE.read_text().split("\n\n")[1:]
    for block in blocks:
        comment, pem = block.split("\n", 1)
        single = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        single.load_verify_locations(cadata=pem)
        (certificate,) = certificates(single)
        assert f"CN={common_name(certificate)}, " in comment
        assert comment.endswith(f"; expires {expiry(certificate):%Y-%m-%dT%H:%M:%SZ}")


def certificates(context: ssl.SSLContext) -> Sequence[Mapping[str, Any]]:
    return context.get_ca_certs()


def common_name(certificate: Mapping[str, Any]) -> str:
    (name,) = [value for group in certificate["subject"] for key, value in group if key == "commonName"]
    return str(name)


def expiry(certificate: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
