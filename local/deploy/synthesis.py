"""The app that cdktf runs here: main.py's, plus the override file from `overrides.py` for dev-stack."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import main
from lambda_packages import PackagingError
from local.deploy.overrides import (
    CACHE_PORT,
    DATABASE_PORT,
    FILE,
    STACK,
    override_document,
    replaced_variables,
)
from stacks.config.settings import SettingsError


def synthesize() -> None:
    """Synthesize every stack into cdktf's output folder, or exit with one line that says what is wrong."""
    try:
        app = main.build_app(os.environ, main.current_deployment_packages(), today=datetime.now(UTC).date())
    except (PackagingError, SettingsError) as error:
        sys.exit(str(error))
    app.synth()
    folder = Path(app.outdir) / "stacks" / STACK
    stack = json.loads((folder / "cdk.tf.json").read_text(encoding="utf-8"))
    ports = {"database_port": int(os.environ[DATABASE_PORT]), "cache_port": int(os.environ[CACHE_PORT])}
    written = json.dumps(override_document(stack, replaced_variables(**ports)), indent=2)
    (folder / FILE).write_text(written, encoding="utf-8")


if __name__ == "__main__":
    synthesize()
