"""The deployed archives run alone: this machine's packages do not replace missing ones."""

import io
import sys
import uuid
import zipfile
from pathlib import Path

import pytest

from local.deploy.deployed_function import DeployedFunction, check_bytes
from local.deploy.errors import DeployError
from local.emulated_aws.event_source_mapping import FunctionError
from local.emulated_aws.function_service import FunctionService

_CODE = """
import os, sys
import msgspec

def handler(event, context):
    return {"event": event, "from": msgspec.__file__, "folder": os.getcwd(), "variable": os.environ["NAME"]}
"""


def archive(**files: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        for name, content in files.items():
            made.writestr(f"{name.replace('__', '/')}.py", content)
    return packed.getvalue()


def deployed(layer: bytes) -> DeployedFunction:
    return DeployedFunction(
        name="function",
        handler="code_of_ours:handler",
        variables={"NAME": "value"},
        code=archive(code_of_ours=_CODE),
        layer=layer,
        role_arn="role",
        timeout_seconds=20,
    )


async def invoke(function: DeployedFunction, directory: Path) -> object:
    service = FunctionService(
        function.handler,
        variables=function.variables,
        timeout_seconds=function.timeout_seconds,
        reserved_concurrency=1,
        new_id=lambda: str(uuid.uuid4()),
        on_log=print,
        launch=function.unpack(Path(sys.executable), directory),
    )
    try:
        return await service.invoke({"some": "event"})
    finally:
        await service.close()


async def test_code_and_layer(tmp_path: Path) -> None:
    assert await invoke(deployed(archive(python__msgspec="")), tmp_path) == {
        "event": {"some": "event"},
        "from": str(tmp_path / "opt" / "python" / "msgspec.py"),
        "folder": str(tmp_path / "task"),
        "variable": "value",
    }


async def test_a_package_that_the_layer_lacks(tmp_path: Path) -> None:
    with pytest.raises(FunctionError):
        await invoke(deployed(archive(python__another="")), tmp_path)


def test_other_bytes(tmp_path: Path) -> None:
    (tmp_path / "code.zip").write_bytes(b"built")
    check_bytes("code", b"built", tmp_path / "code.zip")
    with pytest.raises(DeployError, match="the deployed code has SHA-256"):
        check_bytes("code", b"other", tmp_path / "code.zip")
