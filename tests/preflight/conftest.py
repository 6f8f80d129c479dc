"""The account that preflight is tried on."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from preflight.account import Clients


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    """Clients of an empty account that has everything dev-stack needs."""
    # Not at the top: pytest rewrites a test's assertions only if it imports it first.
    from tests.preflight.test_preflight import ENOUGH, clients_that_answer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    # moto would make hundreds of machine images for each test.
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with mock_aws():
        yield clients_that_answer(ENOUGH)
