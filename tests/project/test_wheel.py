"""The wheel: its contents, and environments that installed it and nothing else."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory

import grimp
import pytest

from lambda_packages.function_code import code_entries
from lambda_packages.target import PROJECT
from tests.support.real_servers import Services

PROGRAM = "product_catalog_pipeline"
# pip downloads some 30 MB, and 30 MB more for catalog.
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


def test_it_contains_the_processor_as_lambda_runs_it(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    shipped = code_entries()
    names = {name for name in archive.namelist() if name.startswith("processor/")}
    assert {name: archive.read(name) for name in names} == shipped
    assert "processor/py.typed" in shipped


def test_a_shop_gets_no_other_packages_of_usual_names(wheel: Path) -> None:
    names = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"processor", PROGRAM}


def test_of_the_project_it_contains_what_catalog_imports_and_no_more(wheel: Path) -> None:
    graph = grimp.build_graph("catalog", "costs", "local", "processor", "stacks", cache_dir=None)
    modules = (
        {"catalog", "processor"} | graph.find_descendants("catalog") | graph.find_descendants("processor")
    )
    imported = {each for module in modules for each in graph.find_upstream_modules(module)} | modules
    # Whoever imports a module imports its packages, and what these import.
    packages = {
        str(parent) for module in imported for parent in accumulate(module.split("."), "{}.{}".format)
    }
    needed = imported | packages | {each for name in packages for each in graph.find_upstream_modules(name)}
    files = [Path(name) for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")]
    paths = {file.relative_to(PROGRAM if file.parts[0] == PROGRAM else "").with_suffix("") for file in files}
    shipped = {".".join(path.parts).removesuffix(".__init__") for path in paths}
    assert shipped - {"__init__"} == needed


def test_it_contains_the_files_that_catalog_reads(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    kept = subprocess.run(
        ["git", "ls-files", "catalog", "costs/prices.toml", "benchmarks/results.json", "pyproject.toml"],  # noqa: S607
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "catalog/queries/rejections.sql" in kept
    for name in kept:
        assert archive.read(f"{PROGRAM}/{name}") == (PROJECT / name).read_bytes()


def test_its_licences_are_beside_its_metadata(wheel: Path) -> None:
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/licenses/" in name]
    expected = {"LICENSE", *(str(path.relative_to(PROJECT)) for path in PROJECT.glob("[cp]*/**/*.LICENSE"))}
    assert {name.partition("/licenses/")[2] for name in names} == expected


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
        sections = json.loads((PROJECT / "Pipfile.lock").read_text())
        lock = sections["catalog"] | sections["default"]
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

    def catalog(self, *arguments: str) -> str:
        """Run the operators' program and return what it prints. Raises: RuntimeError."""
        return self._run([str(self._python.parent / "catalog"), *arguments])

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
    with pytest.raises(RuntimeError, match=r"typer is not installed; install .*\[catalog\]"):
        service.catalog("--help")


def test_a_reader_with_an_iam_login_needs_the_extra_for_it(wheel: Path, service_directory: Path) -> None:
    service = service_with(f"{wheel}[iam]", service_directory)
    assert service.run(OPENS_WITH_IAM) == "open\n"


def test_every_module_is_imported_with_the_extra_for_lambda(wheel: Path, service_directory: Path) -> None:
    service = service_with(f"{wheel}[lambda]", service_directory)
    assert "/site-packages/processor/" in service.run(IMPORTS_ALL)


def test_operators_install_catalog_with_the_extra_for_it(wheel: Path, service_directory: Path) -> None:
    service = service_with(f"{wheel}[catalog]", service_directory)
    assert "Operate a product catalog pipeline" in service.catalog("--help")
    assert "shards" in service.catalog("capacity", "--rate", "500")
    with pytest.raises(RuntimeError, match="no kept run"):
        service.catalog("status")
