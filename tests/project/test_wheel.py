"""The wheel of `processor`: its contents, and a service that installed it and nothing else."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lambda_packages.function_code import code_entries
from lambda_packages.target import PROJECT
from tests.support.real_servers import Services

# pip downloads some 30 MB.
pytestmark = pytest.mark.timeout(300)

# A service's program: checked with mypy, and run.
READS_A_PRODUCT = """
import asyncio
import sys

from processor.readers import CacheAddress, open_reader


async def main(dsn: str, port: int) -> None:
    cache = CacheAddress(host="127.0.0.1", port=port, tls=False)
    async with open_reader(dsn=dsn, ca_file=None, cache=cache) as reader:
        product = await reader.get("a")
        assert product is not None
        inventory: int = product.inventory
        print(inventory)


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""
OPENS_WITH_IAM = """
import asyncio

from processor.readers import CacheAddress, Iam, open_reader


async def main() -> None:
    login = Iam(username="shop", cluster_id="cache", region="eu-central-1")
    async with open_reader(dsn="postgresql://127.0.0.1/x", cache=CacheAddress(host="127.0.0.1", login=login)):
        print("open")


asyncio.run(main())
"""
IMPORTS_ALL = """
import importlib
import pkgutil

import processor

for module in pkgutil.walk_packages(processor.__path__, "processor."):
    importlib.import_module(module.name)
print(processor.__file__)
"""


def build(directory: Path, *, umask: int = 0o022, **environment: str) -> Path:
    """Build the wheel as `make wheel` does."""
    subprocess.run(  # noqa: S603
        ["make", "--silent", "--old-file=setup", "wheel", f"DIST={directory}"],  # noqa: S607
        cwd=PROJECT,
        env={**os.environ, **environment},
        umask=umask,
        check=True,
    )
    [wheel] = directory.iterdir()
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel that `make wheel` builds."""
    return build(tmp_path_factory.mktemp("dist"))


def test_it_contains_the_processor_and_its_metadata_only(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {name.partition("/")[0] for name in names} == {"processor"}
    shipped = code_entries()
    assert {name: archive.read(name) for name in shipped} == shipped
    assert "processor/py.typed" in shipped


def test_it_is_the_same_bytes_whoever_builds_it(wheel: Path, tmp_path: Path) -> None:
    again = build(tmp_path, umask=0o077, PYTHONHASHSEED="1", LC_ALL="C", TZ="Asia/Tokyo")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


class Service:
    """A virtual environment that the wheel is installed into, in a directory without the source tree."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._python = directory / ".venv" / "bin" / "python"
        # Without a pip of its own: installing it takes as long as the wheel.
        self._run([sys.executable, "-m", "venv", "--without-pip", str(directory / ".venv")])
        lock = json.loads((PROJECT / "Pipfile.lock").read_text())["default"]
        self._constraints = directory / "constraints.txt"
        self._constraints.write_text("".join(f"{name}{lock[name]['version']}\n" for name in lock))

    def install(self, *requirements: str) -> None:
        """Install requirements, each in the version that Pipfile.lock pins. Raises: RuntimeError."""
        pip = [sys.executable, "-m", "pip", f"--python={self._python}", "--disable-pip-version-check"]
        # Python compiles the modules that a program imports; most of botocore is none of them.
        options = ["--quiet", "--retries=1", "--no-compile", "--constraint", str(self._constraints)]
        self._run([*pip, "install", *options, *requirements])

    def run(self, program: str, *arguments: str) -> str:
        """Run a program and return what it prints. Raises: RuntimeError."""
        return self._run([str(self._python), "-I", "-c", program, *arguments])

    def check_types(self, program: str) -> None:
        """Check a program with mypy. Raises: RuntimeError."""
        (self._directory / "program.py").write_text(program)
        options = ["--strict", "--config-file=", f"--python-executable={self._python}"]
        self._run([sys.executable, "-m", "mypy", *options, "program.py"])

    def _run(self, command: list[str]) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        finished = subprocess.run(  # noqa: S603
            command, cwd=self._directory, env=environment, capture_output=True, text=True, check=False
        )
        if finished.returncode != 0:
            raise RuntimeError(f"{command}: {finished.stdout}{finished.stderr}")
        return finished.stdout


def service_with(requirement: str, directory: Path) -> Service:
    """Create a service with one requirement installed; skip the test if pip has no package index."""
    service = Service(directory)
    try:
        service.install("--no-deps", "asyncpg")
    except RuntimeError as error:
        pytest.skip(f"pip cannot reach its package index: {error}")
    service.install(requirement)
    return service


@pytest.fixture
def service_directory() -> Iterator[Path]:
    """Yield a temporary directory that is removed at the end: a virtual environment is large."""
    with TemporaryDirectory() as directory:
        yield Path(directory)


@pytest.fixture
async def address(services: Services) -> tuple[str, str]:
    """Return the database's DSN and the cache's port; the catalog has one product."""
    await services.database.execute(
        "INSERT INTO products (product_id, inventory, last_updated) VALUES ('a', 7, now())"
    )
    return services.postgres.dsn, str(services.redis.connection_pool.connection_kwargs["port"])


def test_a_service_reads_a_product_with_the_base_dependencies(
    wheel: Path, service_directory: Path, address: tuple[str, str]
) -> None:
    service = service_with(str(wheel), service_directory)
    service.check_types(READS_A_PRODUCT)
    assert service.run(READS_A_PRODUCT, *address) == "7\n"
    with pytest.raises(RuntimeError, match="No module named 'aioboto3'"):
        service.run(OPENS_WITH_IAM)


def test_a_reader_with_an_iam_login_needs_the_extra_for_it(wheel: Path, service_directory: Path) -> None:
    service = service_with(f"{wheel}[iam]", service_directory)
    assert service.run(OPENS_WITH_IAM) == "open\n"


def test_every_module_is_imported_with_the_extra_for_lambda(wheel: Path, service_directory: Path) -> None:
    service = service_with(f"{wheel}[lambda]", service_directory)
    assert "/site-packages/processor/" in service.run(IMPORTS_ALL)
