"""Mirrors of a provider with the right name and no content: Terraform installs it, and never starts it."""

from pathlib import Path

from terraform_cli.mirror import SOURCE

PLATFORM = "linux_amd64"


def unpacked(folder: Path, version: str, platform: str = PLATFORM) -> Path:
    """Make a folder hold an unpacked provider; returns the folder."""
    place = folder / SOURCE / version / platform
    place.mkdir(parents=True)
    binary = place / f"terraform-provider-aws_v{version}_x5"
    binary.write_text(version)
    binary.chmod(0o755)
    return folder


def packed(folder: Path, version: str, platform: str = PLATFORM) -> Path:
    """Make a folder hold a packed provider; returns the folder."""
    place = folder / SOURCE
    place.mkdir(parents=True, exist_ok=True)
    (place / f"terraform-provider-aws_{version}_{platform}.zip").touch()
    return folder
