"""Finds a mirror of the AWS provider on this machine, so that Terraform needs no registry.

A mirror is a folder with the layout of Terraform's `filesystem_mirror`:

    registry.terraform.io/hashicorp/aws/5.100.0/linux_amd64/terraform-provider-aws_…          unpacked
    registry.terraform.io/hashicorp/aws/terraform-provider-aws_5.100.0_linux_amd64.zip        packed

If `CATALOG_PROVIDER_MIRROR` is set, only that folder is searched; otherwise Terraform's own mirrors, plugin
caches, and a few levels below the usual roots of installed software. No such folder is writable by
every user.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from stacks.provider_binding import PROVIDER_VERSION, WIDE_PROVIDER_VERSIONS
from terraform_cli.errors import TerraformError

SOURCE = "registry.terraform.io/hashicorp/aws"
MIRROR_VARIABLE = "CATALOG_PROVIDER_MIRROR"

USUAL_ROOTS = tuple(map(Path, ("/opt", "/usr/local", "/usr/lib", "/var/lib", "/srv")))
_DEPTH = 3
_MOST_FOLDERS = 5000

_VERSION = re.compile(r"\d+\.\d+\.\d+")
# The constraint's two ends: the lowest version that is accepted, and the first one above.
LOWEST, UPPER_LIMIT = (tuple(map(int, end.split("."))) for end in _VERSION.findall(WIDE_PROVIDER_VERSIONS))


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """A folder that holds the AWS provider, and the version to use."""

    folder: Path
    version: str

    @property
    def is_exact(self) -> bool:
        """Whether it is the version that the binding was generated from."""
        return self.version == PROVIDER_VERSION


def find_mirror(
    platform: str,
    variables: Mapping[str, str],
    *,
    roots: Iterable[Path] = USUAL_ROOTS,
    own: Path | None = None,
) -> Mirror | None:
    """Return the mirror with the binding's own version, else with the highest that accepts our output.

    `own`: the folder that `provider.fetch` fills.

    Raises: TerraformError if `CATALOG_PROVIDER_MIRROR` names a folder that is not a mirror.
    """
    named = variables.get(MIRROR_VARIABLE)
    if named:
        mirror = best(mirrors_in(Path(named).absolute(), platform))
        if mirror is None:
            raise TerraformError(
                f"{MIRROR_VARIABLE} is {named!r}; accepted: a folder that holds {SOURCE} for {platform}, "
                f"{PROVIDER_VERSION} or a version from {_text(LOWEST)} to below {_text(UPPER_LIMIT)}"
            )
        return mirror
    # Caches come last, since another Terraform may be writing to them.
    folders = chain(
        [own] if own else [],
        implied_mirrors(variables),
        chain.from_iterable(map(_scan, roots)),
        plugin_caches(variables),
    )
    found = []
    for folder in folders:
        mirror = best(mirrors_in(folder, platform))
        if mirror is not None and mirror.is_exact:
            return mirror
        found += [mirror] if mirror else []
    return best(found)


def best(mirrors: Iterable[Mirror]) -> Mirror | None:
    """Return the mirror to use, or None: the binding's own version first, then the highest."""
    fitting = [mirror for mirror in mirrors if LOWEST <= _numbers(mirror.version) < UPPER_LIMIT]
    return max(fitting, key=lambda mirror: (mirror.is_exact, _numbers(mirror.version)), default=None)


def mirrors_in(folder: Path, platform: str) -> Iterator[Mirror]:
    """Yield every version for a platform in a folder, packed or unpacked."""
    held = folder / SOURCE
    packed = re.compile(rf"terraform-provider-aws_({_VERSION.pattern})_{re.escape(platform)}\.zip")
    for name in _names(held):
        if match := packed.fullmatch(name):
            yield Mirror(folder=folder, version=match[1])
        elif _VERSION.fullmatch(name) and any(
            binary.startswith("terraform-provider-aws") for binary in _names(held / name / platform)
        ):
            yield Mirror(folder=folder, version=name)


def plugin_caches(variables: Mapping[str, str]) -> list[Path]:
    """Return the folders in which Terraform and cdktf keep providers they have installed."""
    homes = [Path(variables["HOME"]) / ".terraform.d" / "plugin-cache"] if variables.get("HOME") else []
    named = variables.get("TF_PLUGIN_CACHE_DIR")
    return [*([Path(named)] if named else []), *homes]


def implied_mirrors(variables: Mapping[str, str]) -> list[Path]:
    """Return the folders that Terraform itself searches first.

    https://developer.hashicorp.com/terraform/cli/config/config-file#implied-local-mirror-directories
    """
    home = Path(variables["HOME"]) if variables.get("HOME") else None
    folders = [home / ".terraform.d" / "plugins"] if home else []
    if sys.platform == "darwin":
        libraries = [home / "Library", Path("/Library")] if home else [Path("/Library")]
        return folders + [library / "Application Support/io.terraform/plugins" for library in libraries]
    own = variables.get("XDG_DATA_HOME") or (str(home / ".local/share") if home else "")
    shared = variables.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    shares = [Path(share) for share in (own, *shared.split(":")) if share]
    return folders + [share / "terraform" / "plugins" for share in shares if share.is_absolute()]


def _scan(root: Path) -> Iterator[Path]:
    """Yield the folders with AWS providers at a root or a few levels below, nearest first."""
    level, seen = [root], 0
    for _ in range(_DEPTH + 1):
        below: list[Path] = []
        for folder in level:
            if _names(folder / SOURCE):
                yield folder
            below += _subfolders(folder)
        seen += len(level)
        if seen > _MOST_FOLDERS:
            return
        level = below


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:
        return []


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
