"""The two archives that Lambda runs: our code, and the layer of what it depends on."""

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
class BuiltPackages:
    """Where the archives are; an architecture without a layer can be synthesized, and is not deployed."""

    code: Path
    layers: Mapping[Architecture, Path]


class Packages(Construct):
    """Both archives, copied beside the stack's Terraform, so that it can be deployed from another machine.

    `code_path`: relative to the stack's folder; `code_hash`: what tells Lambda of a change; `layer_arn`.
    """

    def __init__(self, scope: Construct, id_: str, *, config: Environment, built: BuiltPackages) -> None:
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
                # The functions change over before the old version goes.
                create_before_destroy=True,
                precondition=_refusal(config.function.architecture) if layer is None else None,
            ),
        ).arn

    def _asset(self, id_: str, path: Path) -> str:
        return TerraformAsset(self, id_, path=str(path), type=AssetType.FILE).path


def _refusal(architecture: Architecture) -> list[Precondition]:
    return [
        Precondition(
            # Never true; Terraform takes no condition that refers to nothing.
            condition=f'${{fileexists("${{path.module}}/{_NO_LAYER}")}}',
            error_message=(
                f"The layer for {architecture} was not built when this stack was synthesized. "
                "Run: make package, then deploy again."
            ),
        )
    ]


def _hash(path: Path) -> str:
    """Return the hash that Lambda tells of an archive: SHA-256 in base64."""
    return base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()
