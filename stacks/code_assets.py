"""What Lambda runs: our code, and a layer with the packages that it imports."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cdktf import AssetType, Precondition, TerraformAsset, TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.lambda_layer_version import LambdaLayerVersion
from constructs import Construct

from stacks.config.environments import Environment
from stacks.config.settings import Architecture

_NO_LAYER = "layer-that-is-not-built.zip"


@dataclass(frozen=True, kw_only=True)
class DeploymentPackages:
    """The zip files that `make package` built.

    Without a layer for its architecture, a stack can be synthesized but not deployed.
    """

    code: Path
    layers: Mapping[Architecture, Path]


class CodeAssets(Construct):
    """The zip files, copied into the stack's output so that another machine can deploy it.

    `code_path`: relative to the stack's folder. `code_hash`: changes with the code, so that Lambda gets it.
    `layer_arn`: the layer version's.
    """

    def __init__(self, scope: Construct, id_: str, *, config: Environment, built: DeploymentPackages) -> None:
        super().__init__(scope, id_)
        self.code_path = self._asset("Code", built.code)
        self.code_hash = _hash(built.code)
        layer = built.layers.get(config.function.architecture)
        self.layer_arn = LambdaLayerVersion(
            self,
            "Layer",
            layer_name=config.physical_name("inventory-processor-deps"),
            description="What the inventory processor depends on",
            filename=_NO_LAYER if layer is None else self._asset("Dependencies", layer),
            source_code_hash=None if layer is None else _hash(layer),
            compatible_runtimes=[config.function.runtime],
            compatible_architectures=[config.function.architecture],
            lifecycle=TerraformResourceLifecycle(
                # The functions use the new version before the old one is deleted.
                create_before_destroy=True,
                precondition=_refusal(config.function.architecture) if layer is None else None,
            ),
        ).arn

    def _asset(self, id_: str, path: Path) -> str:
        return TerraformAsset(self, id_, path=str(path), type=AssetType.FILE).path


def _refusal(architecture: Architecture) -> list[Precondition]:
    return [
        Precondition(
            # Never true. Terraform rejects a condition without a reference.
            condition=f'${{fileexists("${{path.module}}/{_NO_LAYER}")}}',
            error_message=(
                f"The layer for {architecture} was not built when this stack was synthesized. "
                "Run: make package, then deploy again."
            ),
        )
    ]


def _hash(path: Path) -> str:
    """Return the hash as Lambda reports it: SHA-256 in base64."""
    return base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()
