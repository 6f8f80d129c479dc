"""A deployed function: fetched from the account and run as Lambda runs it."""

import asyncio
import hashlib
import io
import urllib.request
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.deploy.aws_clients import AwsClients
from local.deploy.environment_variables import CREDENTIALS
from local.deploy.errors import DeployError
from local.emulated_aws.account import REGION
from local.emulated_aws.function_service import PROJECT, LaunchCommand

_PROGRAM = PROJECT / "local" / "emulated_aws" / "execution_environment.py"


@dataclass(frozen=True, kw_only=True)
class DeployedFunction:
    """A function as it is deployed.

    `handler`: as `module:function`. `variables`: the deployed environment variables, and those that Lambda
    sets. `code`, `layer`: the zip archives.
    """

    name: str
    handler: str
    variables: Mapping[str, str]
    code: bytes
    layer: bytes
    role_arn: str
    timeout_seconds: float

    def unpack(self, python: Path, directory: Path) -> LaunchCommand:
        """Unpack code and layer as Lambda does, and return the command that runs them.

        Python starts isolated, with the standard library alone, so this machine's packages cannot replace one
        that the layer lacks. `python`: an interpreter of the runtime's minor version.
        """
        task, layer = directory / "task", directory / "opt"
        for archive, folder in ((self.code, task), (self.layer, layer)):
            with zipfile.ZipFile(io.BytesIO(archive)) as packed:
                packed.extractall(folder)
        command = (str(python), "-I", "-S", "-B", str(_PROGRAM), str(task), str(layer / "python"))
        return LaunchCommand(command, task)


async def fetch_function(aws: AwsClients, name: str) -> DeployedFunction:
    """Return the function of that name from the account."""
    async with aws.client("lambda") as functions:
        function = await functions.get_function(FunctionName=name)
        configuration = await functions.get_function_configuration(FunctionName=name)
        (layer_arn,) = [layer["Arn"] for layer in configuration["Layers"]]
        layer = await functions.get_layer_version_by_arn(Arn=layer_arn)
    module, _, function_name = configuration["Handler"].rpartition(".")
    return DeployedFunction(
        name=name,
        handler=f"{module}:{function_name}",
        variables=_lambda_variables(aws, configuration) | configuration["Environment"]["Variables"],
        code=await asyncio.to_thread(_download, function["Code"]["Location"]),
        layer=await asyncio.to_thread(_download, layer["Content"]["Location"]),
        role_arn=configuration["Role"],
        timeout_seconds=configuration["Timeout"],
    )


def check_bytes(what: str, deployed: bytes, built: Path) -> None:
    """Raise DeployError if what is deployed is not what was built."""
    sums = [hashlib.sha256(content).hexdigest() for content in (deployed, built.read_bytes())]
    if sums[0] != sums[1]:
        raise DeployError(f"the deployed {what} has SHA-256 {sums[0]}, {built.name} has {sums[1]}")


def _lambda_variables(aws: AwsClients, configuration: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables that Lambda sets in addition to the function's.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime;
    `AWS_ENDPOINT_URL` leads to the emulator instead of AWS.
    """
    return {
        **CREDENTIALS,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_LAMBDA_FUNCTION_NAME": configuration["FunctionName"],
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(configuration["MemorySize"]),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "_HANDLER": configuration["Handler"],
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/bin:/bin",
        "TZ": ":UTC",
    }


def _download(location: str) -> bytes:
    # Without a proxy: the emulator is on loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(location) as response:
        content: bytes = response.read()
    return content
