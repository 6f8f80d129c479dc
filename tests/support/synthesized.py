"""A synthesized stack as tests read it: the JSON that Terraform gets."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from stacks.config.environments import Environment
from stacks.config.settings import Architecture, ReplaySettings
from tests.support.environments import DEV, ENVIRONMENTS, PROD

if TYPE_CHECKING:
    from cdktf import App

    from stacks.code_assets import DeploymentPackages

MISCONFIGURED = "MISCONFIGURED_STACKS"
"""The environment variable that names a folder of synthesized stacks to test."""

ENCRYPTED = "encrypted"
"""The folder in it of those with a key."""

REPLAYING = "replaying"
"""The folder in it of the one with a replay."""

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
"""The team's own key, where an environment has one."""

REPLAY = ReplaySettings(concurrency=4, objects_per_invocation=50, timeout_seconds=300)
"""A replay's settings, where an environment has one."""

TODAY = date(2026, 11, 21)

# cdktf adds this to the id of a construct that is not a direct child of the stack.
_ID_HASH = re.compile(r"(?<=[a-z0-9])_[0-9A-F]{8}(?![A-Za-z0-9_])")


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One `cdk.tf.json`."""

    document: Mapping[str, Any]

    def only(self, kind: str) -> Mapping[str, Any]:
        """Return the single resource or data source of a kind, such as `aws_s3_bucket`."""
        (found,) = self.all(kind).values()
        return found

    def named(self, kind: str, logical_id: str) -> Mapping[str, Any]:
        """Return the resource or data source of a kind that has this logical id."""
        found: Mapping[str, Any] = self.all(kind)[logical_id]
        return found

    def all(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """Return every resource or data source of a kind by its logical id."""
        return {logical_id: body for found_kind, logical_id, body in self.blocks() if found_kind == kind}

    def blocks(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Yield (kind, logical id, body) of every resource and data source."""
        for section in ("resource", "data"):
            for kind, blocks in self.document.get(section, {}).items():
                for logical_id, body in blocks.items():
                    yield kind, logical_id, body

    def strings(self) -> Iterator[str]:
        """Yield every string value."""
        yield from _strings(self.document)

    def readable(self) -> "Stack":
        """Return the stack with ids that are predictable from the code, such as `Archive_Private_Bucket`."""
        readable = Stack(document=json.loads(_ID_HASH.sub("", json.dumps(self.document))))
        assert len(list(readable.blocks())) == len(list(self.blocks())), "two ids became the same"
        return readable


def synthesize(variables: Mapping[str, str], directory: Path) -> dict[str, Stack]:
    """Return the tests' stacks by id, as `main.py` writes them with these environment variables.

    The deployment packages are small files in `directory`; the stacks never look into them.
    """
    # Imported here, so that tests without stacks do not start Node.
    from main import build_app

    deployment_packages = small_deployment_packages(directory)
    outdir = str(directory / "cdktf.out")
    return _synthesized(
        build_app(variables, deployment_packages, today=TODAY, permanent=ENVIRONMENTS, outdir=outdir)
    )


def synthesize_environment(
    environment: Environment,
    directory: Path,
    *,
    variables: Mapping[str, str] | None = None,
    layers: bool = True,
) -> Stack:
    """Return the stack of any environment, whether or not `main.py` knows it."""
    from cdktf import App

    from main import chosen_deployment
    from stacks.catalog_stack import CatalogStack
    from stacks.deploy_checks import refusals

    deployment = chosen_deployment(variables or {}, small_deployment_packages(directory, layers=layers))
    app = App(outdir=str(directory / "cdktf.out"), stack_traces=False)
    CatalogStack(
        app,
        environment.stack_id,
        config=environment,
        deployment=deployment,
        refusals=refusals(environment, deployment, today=TODAY),
    )
    return _synthesized(app)[environment.stack_id]


def synthesize_encrypted(directory: Path) -> dict[str, Stack]:
    """Return the permanent environments' stacks with a key of the team's, by environment name, readable."""
    stacks = {}
    for environment in ENVIRONMENTS:
        folder = directory / environment.name
        folder.mkdir()
        stack = synthesize_environment(replace(environment, encryption_key_arn=KEY), folder)
        stacks[environment.name] = stack.readable()
    return stacks


def synthesize_replaying(directory: Path) -> dict[str, Stack]:
    """Return dev's stack with a replay and a key of the team's, by environment name, readable."""
    environment = replace(DEV, replay=REPLAY, encryption_key_arn=KEY)
    return {DEV.name: synthesize_environment(environment, directory).readable()}


def synthesize_pictured(directory: Path) -> Stack:
    """Return the stack that the picture of the architecture shows: prod's, with all that a team may add."""
    alarms = replace(PROD.alarms, emails=("operators@example.com",))
    environment = replace(PROD, replay=REPLAY, alarms=alarms)
    return synthesize_environment(environment, directory).readable()


def synthesize_bootstrap(
    variables: Mapping[str, str], directory: Path, environments: Sequence[Environment] = ENVIRONMENTS
) -> Stack:
    """Return the bootstrap stack, as `main.py` writes it with these environment variables."""
    from main import build_bootstrap, chosen_bootstrap

    config = chosen_bootstrap({"CATALOG_BOOTSTRAP": "1", **variables}, environments)
    assert config is not None
    app = build_bootstrap(config, environments, outdir=str(directory / "cdktf.out"))
    (stack,) = _synthesized(app).values()
    return stack


def small_deployment_packages(directory: Path, *, layers: bool = True) -> "DeploymentPackages":
    """Return small files that the stacks accept as built deployment packages."""
    from stacks.code_assets import DeploymentPackages

    code = directory / "code.zip"
    code.write_bytes(b"the code")
    built: dict[Architecture, Path] = {}
    if layers:
        for architecture in get_args(Architecture):
            built[architecture] = directory / f"layer-{architecture}.zip"
            built[architecture].write_bytes(f"the layer for {architecture}".encode())
    return DeploymentPackages(code=code, layers=built)


def _synthesized(app: "App") -> dict[str, Stack]:
    app.synth()
    return read_stacks(Path(app.outdir))


def read_stacks(outdir: Path) -> dict[str, Stack]:
    """Return the stacks by id that cdktf or `write_stacks` wrote into a folder."""
    return {
        path.parent.name: Stack(document=json.loads(path.read_text()))
        for path in sorted(outdir.glob("stacks/*/cdk.tf.json"))
    }


def write_stacks(stacks: Mapping[str, Stack], outdir: Path) -> None:
    """Write stacks where `read_stacks` finds them."""
    for stack_id, stack in stacks.items():
        path = outdir / "stacks" / stack_id / "cdk.tf.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(stack.document))


def _strings(node: Any) -> Iterator[str]:
    match node:
        case str():
            yield node
        case dict():
            for value in node.values():
                yield from _strings(value)
        case list():
            for value in node:
                yield from _strings(value)
