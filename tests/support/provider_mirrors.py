"""Mirrors with an empty provider of the right name, which Terraform installs but never starts."""

from pathlib import Path

from terraform_cli.mirror import SOURCE

PLATFORM = "linux_amd64"


def unpacked(folder: Path, version: str, platform: str = PLATFORM) -> Path:
    """Put an unpacked provider into a folder and return the folder."""
    place = folder / SOURCE / version / platform
    place.mkdir(parents=True)
    binary = place / f"terraform-provider-aws_v{version}_x5"
    binary.write_text(version)
    binary.chmod(0o755)
    return folder


def packed(folder: Path, version: str, platform: str = PLATFORM) -> Path:
    """Put a packed provider into a folder and return the folder."""
    place = folder / SOURCE
    place.mkdir(parents=True, exist_ok=True)
    (place / f"terraform-provider-aws_{version}_{platform}.zip").touch()
    return folder
