"""The bill of materials is what the layers have, and OSV's answers lead to the right exit status."""

import json
import subprocess
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from lambda_packages.sbom import bill_of_materials, package_url, shipped_packages, wheel_packages, write
from lambda_packages.target import PROJECT
from lambda_packages.vulnerabilities import UNREACHABLE, check

PACKAGES = {"aiohttp": "3.13.2", "typing-extensions": "4.15.0"}
PYPROJECT = {"name": "ours", "version": "1.0", "license": "Apache-2.0"}
CYCLONEDX = PROJECT / ".local" / "checkov" / "venv" / "bin" / "python"
VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
sys.exit(str(JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read()) or "") or 0)
"""


def test_what_the_runtime_does_not_install_is_not_listed(tmp_path: Path) -> None:
    entry: dict[str, Any] = {"version": "==1.0", "hashes": ["sha256:00"]}
    old = entry | {"markers": "python_full_version < '3.11.3'"}
    lock = tmp_path / "Pipfile.lock"
    lock.write_text(json.dumps({"default": {"new": entry, "old": old}, "develop": {"tool": entry}}))
    assert shipped_packages(lock) == {"new": "1.0"}


def test_every_package_is_a_component_with_its_url() -> None:
    document = bill_of_materials(PACKAGES, PYPROJECT)
    assert [each["purl"] for each in document["components"]] == [
        "pkg:pypi/aiohttp@3.13.2",
        "pkg:pypi/typing-extensions@4.15.0",
    ]
    (dependencies,) = document["dependencies"]
    assert dependencies["dependsOn"] == [package_url(*each) for each in PACKAGES.items()]


def test_the_same_packages_make_the_same_document() -> None:
    first = bill_of_materials(PACKAGES, PYPROJECT)
    assert first == bill_of_materials(PACKAGES, PYPROJECT)
    other = bill_of_materials(PACKAGES | {"aiohttp": "3.13.3"}, PYPROJECT)
    assert other["serialNumber"] != first["serialNumber"]


@pytest.mark.skipif(not CYCLONEDX.exists(), reason="checkov, which has the schema, is not installed")
@pytest.mark.parametrize("packages", [shipped_packages, wheel_packages])
def test_it_is_valid_cyclonedx(packages: Callable[[], dict[str, str]]) -> None:
    text = json.dumps(bill_of_materials(packages(), PYPROJECT))
    run = subprocess.run(  # noqa: S603
        [str(CYCLONEDX), "-c", VALIDATE], input=text, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_the_files_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    names = ("sbom.cdx.json", "sbom-wheel.cdx.json")
    lines = write(tmp_path / "dist")
    written = {name: (tmp_path / "dist" / name).read_bytes() for name in names}
    counts = {name: len(json.loads(text)["components"]) for name, text in written.items()}
    assert lines == "\n".join(f"dist/{name}: {counts[name]} packages" for name in names)
    write(tmp_path / "dist")
    assert {name: (tmp_path / "dist" / name).read_bytes() for name in names} == written


def test_the_wheel_s_has_what_its_extras_require() -> None:
    required = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    lines = [*required["dependencies"], *required["optional-dependencies"]["catalog"][1:]]
    packages = wheel_packages()
    assert {Requirement(line).name for line in lines} <= packages.keys()
    assert shipped_packages().keys() <= packages.keys()


@contextmanager
def osv(answer: Any, asked: list[Any]) -> Iterator[str]:
    """Yield the URL of a server that gives this answer and keeps what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/querybatch"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("answer", "status", "line"),
    [
        ({"results": [{}, {}]}, 0, "2 packages, 0 with a known vulnerability"),
        (
            {"results": [{"vulns": [{"id": "GHSA-1", "modified": "2026-01-01T00:00:00Z"}]}, {}]},
            1,
            "pkg:pypi/aiohttp@3.13.2: GHSA-1 (https://osv.dev/vulnerability/GHSA-1)",
        ),
        # Something else answers, such as the sign-in page of a network.
        ({"results": []}, UNREACHABLE, ""),
        ([], UNREACHABLE, ""),
    ],
)
def test_what_osv_answers(
    answer: Any, status: int, line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    asked: list[Any] = []
    with osv(answer, asked) as service:
        assert check(PACKAGES, service) == status
    assert asked == [{"queries": [{"package": {"purl": package_url(*each)}} for each in PACKAGES.items()]}]
    printed = capsys.readouterr()
    assert line in printed.out
    assert printed.err.startswith("Nothing was checked") == (status == UNREACHABLE)


def test_without_a_network_nothing_is_known(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert check(PACKAGES, "http://127.0.0.1:9/v1/querybatch") == UNREACHABLE
    assert capsys.readouterr().err.startswith("Nothing was checked: no answer from http://127.0.0.1:9/")
