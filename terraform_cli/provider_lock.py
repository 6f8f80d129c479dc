"""The hashes of the AWS provider, which Terraform compares with what it installs.

`.terraform.lock.hcl` is kept in the project's folder; `main.py` copies it to every stack that it synthesizes.
"""

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from stacks.provider_binding import PROVIDER_LOCK, PROVIDER_VERSION
from terraform_cli.errors import TerraformError
from terraform_cli.installation import Terraform
from terraform_cli.provider import require_provider

PLATFORMS = ("darwin_amd64", "darwin_arm64", "linux_amd64", "linux_arm64")


def lock_provider(
    file: Path,
    terraform: Terraform,
    variables: Mapping[str, str],
    *,
    version: str = PROVIDER_VERSION,
    platforms: Iterable[str] = PLATFORMS,
    mirror: Path | None = None,
) -> None:
    """Write the hashes of a version, for each platform, in place of an earlier file.

    Terraform downloads each platform's provider, about 150 MB, from the registry, which signs the hashes, or
    takes it from a mirror.

    Raises: TerraformError, with Terraform's output; the file is then as it was.
    """
    source = [] if mirror is None else [f"-fs-mirror={mirror.absolute()}"]
    wanted = [f"-platform={platform}" for platform in platforms]
    with tempfile.TemporaryDirectory() as directory:
        require_provider(Path(directory), version)
        run = terraform.run(
            Path(directory), "providers", "lock", "-no-color", *source, *wanted, variables=variables
        )
        if run.returncode:
            raise TerraformError(run.stdout.strip())
        shutil.copyfile(Path(directory) / PROVIDER_LOCK, file)
