"""The real cdktf CLI in a separate folder, so that no other state or cdktf.out is touched."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.deploy import subprocesses
from local.deploy.errors import DeployError
from local.deploy.overrides import STACK
from local.emulated_aws.function_service import PROJECT
from stacks.provider_binding import bundled_node

_CLI = PROJECT / "node_modules" / "cdktf-cli" / "bundle" / "bin" / "cdktf"
_APP = "python -m local.deploy.synthesis"
_PLANNED = re.compile(r"Plan: (\d+) to add, (\d+) to change, (\d+) to destroy")
_DONE = re.compile(r": (?:Creation|Destruction) complete after ")
_COMPLETE = re.compile(
    r"(?:Apply|Destroy) complete! Resources: (?:(\d+) added, \d+ changed, )?(\d+) destroyed"
)
_LAST_LINES = 40

OnProgress = Callable[[int, int | None], None]
"""Called with how many resources are done, and of how many; None if not planned yet."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """How many resources a run of Terraform added and destroyed."""

    added: int
    destroyed: int


class Cdktf:
    """The cdktf CLI for dev-stack, run in a folder that contains its cdktf.out, state, outputs and logs.

    `variables`: all environment variables, as returned by `environment_variables.terraform_variables`.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._folder = folder
        self._variables = variables
        project = json.loads((PROJECT / "cdktf.json").read_text(encoding="utf-8"))
        (folder / "cdktf.json").write_text(json.dumps(project | {"app": _APP}, indent=2), encoding="utf-8")

    async def deploy(self, log_path: Path, on_progress: OnProgress) -> Changes:
        """Run `cdktf deploy`. Raises: DeployError, with the end of the log."""
        self._outputs.unlink(missing_ok=True)
        return await self._run("deploy", log_path, on_progress, "--outputs-file", str(self._outputs))

    async def destroy(self, log_path: Path, on_progress: OnProgress) -> Changes:
        """Run `cdktf destroy`. Raises: DeployError, with the end of the log."""
        return await self._run("destroy", log_path, on_progress)

    def outputs(self) -> dict[str, str]:
        """Return the stack's outputs."""
        written: dict[str, dict[str, str]] = json.loads(self._outputs.read_text(encoding="utf-8"))
        return written[STACK]

    def state(self) -> dict[str, Any]:
        """Return Terraform's state."""
        # The path that main.py sets is relative to cdktf.out/stacks/<stack>.
        file = self._folder / f"terraform.{STACK}.tfstate"
        state: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return state

    @property
    def _outputs(self) -> Path:
        return self._folder / "outputs.json"

    async def _run(self, verb: str, log_path: Path, on_progress: OnProgress, *options: str) -> Changes:
        reader = ProgressReader(on_progress)
        node = str(bundled_node() or shutil.which("node", path=self._variables["PATH"]))
        flags = ["--auto-approve", "--skip-provider-lock", "--no-color", *options]
        code = await subprocesses.run(
            [node, str(_CLI), verb, STACK, *flags],
            directory=self._folder,
            variables=self._variables,
            log_path=log_path,
            on_line=reader.read,
        )
        if code or reader.changes is None:
            raise DeployError(
                f"cdktf {verb} {STACK} ended with exit code {code}; the end of its log:\n"
                f"{subprocesses.last_lines(log_path, _LAST_LINES)}"
            )
        return reader.changes


class ProgressReader:
    """A reader of Terraform's output; `changes` is set once Terraform reports them."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._done = 0
        self._planned: int | None = None
        self.changes: Changes | None = None

    def read(self, line: str) -> None:
        """Read one line."""
        if planned := _PLANNED.search(line):
            self._planned = int(planned[1]) + int(planned[3])
        elif _DONE.search(line):
            self._done += 1
        elif complete := _COMPLETE.search(line):
            self.changes = Changes(added=int(complete[1] or 0), destroyed=int(complete[2]))
        else:
            return
        self._on_progress(self._done, self._planned)
