"""Stacks, each synthesized once per session, which takes about two seconds."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from main import chosen_environments
from stacks.config.settings import OnDemand
from tests.support.environments import DEV, ENVIRONMENTS, PERMANENT, PROD
from tests.support.networks import EXISTING, PEERED, WITH_ENDPOINTS, in_new_vpc
from tests.support.synthesized import (
    ENCRYPTED,
    MISCONFIGURED,
    Stack,
    read_stacks,
    synthesize_encrypted,
    synthesize_environment,
)

LONGEST_NAME = "x" * 20
"""The longest that a throwaway environment may have."""


@pytest.fixture(scope="session")
def readable(stacks: dict[str, Stack]) -> dict[str, Stack]:
    """Stacks by environment name, with ids that are predictable from the code."""
    return {stack_id.removesuffix("-stack"): stack.readable() for stack_id, stack in stacks.items()}


@pytest.fixture(params=PERMANENT)
def stack(request: pytest.FixtureRequest, readable: dict[str, Stack]) -> Stack:
    """Every permanent environment's stack in turn, for what is the same in all."""
    return readable[request.param]


@pytest.fixture(scope="session")
def prod_from_ci(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """prod-stack with every environment variable that affects a deployment."""
    variables = {
        "CATALOG_ACCOUNT_ID": "123456789012",
        "CATALOG_STATE_BUCKET": "states",
        "CATALOG_STATE_REGION": "eu-west-1",
        "CATALOG_WIDE_PROVIDER": "1",
        "CATALOG_ARCHITECTURE": "x86_64",
        "CATALOG_ROLE_PATH": "/team/",
        "CATALOG_PERMISSIONS_BOUNDARY": "arn:aws:iam::123456789012:policy/team/product-catalog-functions",
    }
    (prod,) = [found for found in chosen_environments(variables, ENVIRONMENTS) if found.name == "prod"]
    directory = tmp_path_factory.mktemp("prod-from-ci")
    return synthesize_environment(prod, directory, variables=variables).readable()


@pytest.fixture(scope="session")
def open_dev(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """dev-stack with one NAT gateway."""
    environment = replace(DEV, network=in_new_vpc(DEV, nat_gateways=1))
    return synthesize_environment(environment, tmp_path_factory.mktemp("open")).readable()


@pytest.fixture(scope="session")
def irish_prod(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """prod-stack in another region, with two NAT gateways for its three zones and a stream on demand."""
    environment = replace(
        PROD,
        region="eu-west-1",
        network=in_new_vpc(PROD, zone_ids=("euw1-az1", "euw1-az2", "euw1-az3"), nat_gateways=2),
        stream=replace(PROD.stream, capacity=OnDemand(expected_shards=4)),
    )
    return synthesize_environment(environment, tmp_path_factory.mktemp("irish")).readable()


@pytest.fixture(scope="session")
def peered_dev(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """dev-stack with a shop in a network of its own."""
    environment = replace(DEV, network=PEERED)
    return synthesize_environment(environment, tmp_path_factory.mktemp("peered")).readable()


@pytest.fixture(scope="session")
def guest_dev(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """dev-stack in an existing VPC without endpoints."""
    environment = replace(DEV, network=EXISTING)
    return synthesize_environment(environment, tmp_path_factory.mktemp("guest")).readable()


@pytest.fixture(scope="session")
def guest_prod(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """prod-stack in an existing VPC that has both endpoints, with a shop in a network of its own."""
    environment = replace(PROD, network=WITH_ENDPOINTS, logs=replace(PROD.logs, network_flows=False))
    return synthesize_environment(environment, tmp_path_factory.mktemp("guest-prod")).readable()


@pytest.fixture(scope="session")
def longest(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Stack with prod's settings, which have the most parts, and the longest name."""
    environment = replace(PROD, name=LONGEST_NAME)
    return synthesize_environment(environment, tmp_path_factory.mktemp("longest")).readable()


@pytest.fixture(scope="session")
def unlayered_dev(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """dev-stack before the first `make package`."""
    return synthesize_environment(DEV, tmp_path_factory.mktemp("unlayered"), layers=False).readable()


@pytest.fixture(scope="session")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stack]:
    """Permanent environments' stacks with a key of the team's, by environment name."""
    if folder := os.environ.get(MISCONFIGURED):
        return read_stacks(Path(folder) / ENCRYPTED)
    return synthesize_encrypted(tmp_path_factory.mktemp(ENCRYPTED))
