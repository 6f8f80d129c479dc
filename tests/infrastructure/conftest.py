from pathlib import Path

import pytest

from .synthesized import THROWAWAY, Stack, synthesize


@pytest.fixture(scope="session")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stack]:
    """Every stack and a throwaway one, deployed from nowhere in particular."""
    return synthesize({"ENVIRONMENT_SUFFIX": THROWAWAY}, tmp_path_factory.mktemp("stacks"))


@pytest.fixture(scope="session")
def prod_from_ci(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """prod-stack with everything that an environment variable can say about a deployment."""
    outdir: Path = tmp_path_factory.mktemp("prod-from-ci")
    variables = {
        "CATALOG_ACCOUNT_ID": "123456789012",
        "CATALOG_STATE_BUCKET": "states",
        "CATALOG_STATE_REGION": "eu-west-1",
        "CATALOG_WIDE_PROVIDER": "1",
    }
    return synthesize(variables, outdir)["prod-stack"]
