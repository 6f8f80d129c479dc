"""The deployment packages in `dist` are unpacked as Lambda does and run without anything else."""

import platform
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lambda_packages import ARCHITECTURES, build_code, find_layer
from lambda_packages.bytecode import can_compile
from lambda_packages.target import machine

# ELF's e_machine: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html and the processors' ABIs.
ELF_MACHINES = {"arm64": 183, "x86_64": 62}

USE = """
import asyncio, importlib.metadata, sys
from processor import handler, migrate
from processor.adapters import cache, catalog, s3, secrets, telemetry
from processor.settings import RDS_ROOTS
import aioboto3, hiredis, google.protobuf, ssl

assert callable(handler.handler) and callable(migrate.handler)
assert RDS_ROOTS.read_text(encoding="ascii").count("BEGIN CERTIFICATE") > 50
ssl.create_default_context(cafile=str(RDS_ROOTS))
assert len(list(migrate.DIRECTORY.glob("*.sql"))) >= 2
assert importlib.metadata.version("aws-lambda-powertools")


async def clients():
    session = aioboto3.Session("AKIA", "secret", region_name="eu-central-1")
    for service in ("s3", "secretsmanager", "sts"):
        async with session.client(service) as client:
            assert client.meta.endpoint_url.startswith("https://"), client.meta.endpoint_url
    async with session.client("s3", region_name="cn-north-1") as client:
        url = await client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
        assert "amazonaws.com.cn" in url


asyncio.run(clients())
unpacked = sys.argv[1]
for module in list(sys.modules.values()):
    file = getattr(module, "__file__", None) or ""
    if file.startswith(unpacked) and file.endswith(".py"):
        print(file, getattr(module, "__cached__", ""))
    assert "site-packages" not in file, file
"""


@pytest.fixture(params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def layer_of(architecture: str) -> Path:
    layer = find_layer(architecture)
    if layer is None:
        pytest.skip(f"no layer for {architecture} for the present lock in dist; run `make package`")
    return layer


def test_every_extension_module_is_for_the_architecture_and_the_runtime(architecture: str) -> None:
    archive = zipfile.ZipFile(layer_of(architecture))
    libraries = [name for name in archive.namelist() if ".so" in name]
    assert {name.split("/")[1] for name in libraries} >= {"asyncpg", "aiohttp", "hiredis", "multidict"}
    for name in libraries:
        head = archive.read(name)[:20]
        assert head[:5] == b"\x7fELF\x02", name
        assert int.from_bytes(head[18:20], "little") == ELF_MACHINES[architecture], name
        assert re.search(r"\.(cpython-313-\w+-linux-gnu|abi3)\.so$", name), name


def test_no_development_package_ships(architecture: str) -> None:
    names = zipfile.ZipFile(layer_of(architecture)).namelist()
    packages = {name.split("/")[1].partition(".")[0] for name in names}
    assert packages.isdisjoint({"async_timeout", "pytest", "mypy", "moto", "cdktf", "pip", "setuptools"})
    assert all(name.startswith("python/") for name in names)
    modules = sum(name.endswith(".py") for name in names)
    assert sum(name.endswith(".pyc") for name in names) in {0, modules}


def test_every_package_ships_its_metadata_and_licence(architecture: str) -> None:
    names = zipfile.ZipFile(layer_of(architecture)).namelist()
    metadata = {name.split("/")[1] for name in names if ".dist-info/" in name}
    assert {name.split("/")[1] for name in names if name.endswith(".dist-info/METADATA")} == metadata
    licensed = {name.split("/")[1] for name in names if "licen" in name.lower() and ".dist-info/" in name}
    # The wheels of these have no licence file; their METADATA names the licence.
    assert {name.partition("-")[0] for name in metadata - licensed} <= {"hiredis", "aioitertools", "aiofiles"}


def test_code_and_layer_run_with_nothing_else(tmp_path: Path) -> None:
    architecture = {machine(each): each for each in ARCHITECTURES}.get(platform.machine())
    if architecture is None or sys.platform != "linux" or not can_compile():
        pytest.skip("this machine cannot run the runtime's layers")
    zipfile.ZipFile(layer_of(architecture)).extractall(tmp_path / "opt")
    zipfile.ZipFile(build_code(tmp_path)).extractall(tmp_path / "task")
    before = sorted(tmp_path.rglob("*"))
    finished = subprocess.run(  # noqa: S603
        [sys.executable, "-S", "-s", "-c", USE, str(tmp_path)],
        cwd=tmp_path / "task",
        env={"PYTHONPATH": f"{tmp_path / 'task'}:{tmp_path / 'opt' / 'python'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    used = [line.split() for line in finished.stdout.splitlines()]
    assert len(used) > 200
    assert all(Path(cached).is_file() for _, cached in used)
    assert sorted(tmp_path.rglob("*")) == before, "Python found no bytecode for a module and wrote its own"
