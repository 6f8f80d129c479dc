"""Hand-made wheels, so that pip needs no network."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lambda_packages.errors import PackagingError
from lambda_packages.wheels import download
from lambda_packages.zip_file import zipped


@dataclass
class Wheelhouse:
    """A directory that pip takes wheels from, and the section of Pipfile.lock that pins them."""

    directory: Path
    locked: dict[str, Any] = field(default_factory=dict)

    def add(
        self, name: str, files: Mapping[str, str], *, tag: str = "py3-none-any", markers: str = ""
    ) -> Path:
        """Write a wheel of version 1.0 with these files and metadata, and pin it."""
        self.directory.mkdir(exist_ok=True)
        wheel = self.directory / f"{name}-1.0-{tag}.whl"
        metadata = f"{name}-1.0.dist-info"
        contents = {
            **files,
            f"{metadata}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
            f"{metadata}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
            f"{metadata}/RECORD": "",
        }
        wheel.write_bytes(zipped({path: text.encode() for path, text in contents.items()}))
        self.lock(name, sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(), markers=markers)
        return wheel

    def lock(self, name: str, *, sha256: str, markers: str = "") -> None:
        """Pin a package's version 1.0 by a hash."""
        self.locked[name] = {"version": "==1.0", "hashes": [f"sha256:{sha256}"]}
        if markers:
            self.locked[name]["markers"] = markers

    def fetch(self, lines: Iterable[str], architecture: str, directory: Path) -> list[Path]:
        """Download with pip from this directory only."""
        options = ["--no-index", "--find-links", str(self.directory)]
        return download(lines, architecture, directory, pip_options=options)

    def take(self, lines: Iterable[str], architecture: str, directory: Path) -> list[Path]:
        """Return pure wheels without running pip, which takes a second; raise as `download` does."""
        wheels = []
        for line in lines:
            pinned = line.partition(" ")[0]
            wheel = self.directory / f"{pinned.replace('==', '-')}-py3-none-any.whl"
            if not wheel.exists():
                raise PackagingError(f"no wheel for {pinned} on {architecture} to put into {directory}")
            wheels.append(wheel)
        return wheels

    def write_lock(self, file: Path, **sections: Any) -> Path:
        """Write a Pipfile.lock."""
        file.write_text(json.dumps({"_meta": {}, "default": self.locked, "develop": {}, **sections}))
        return file
