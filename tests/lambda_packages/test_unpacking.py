import ast
import zipfile
from pathlib import Path

import pytest

from lambda_packages.errors import PackagingError
from lambda_packages.function_code import SOURCE
from lambda_packages.unpacking import SERVICES, unpacked


def wheel(file: Path, names: dict[str, str] | list[str]) -> Path:
    contents = names if isinstance(names, dict) else dict.fromkeys(names, "")
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in contents.items():
            archive.writestr(name, text)
    return file


@pytest.mark.parametrize(
    "name",
    [
        "package/module.py",
        "package/fast.cpython-313-aarch64-linux-gnu.so",
        "package/py.typed",
        "package/LICENSE",
        "package-1.0.dist-info/METADATA",
        "package-1.0.dist-info/entry_points.txt",
        "package-1.0.dist-info/top_level.txt",
        "package-1.0.dist-info/LICENSE.txt",
        "package-1.0.dist-info/NOTICE",
        "package-1.0.dist-info/licenses/vendor/llhttp/LICENSE",
        "package-1.0.dist-info/licenses/third-party.txt",
        "botocore/data/endpoints.json",
        "botocore/data/s3/2006-03-01/service-2.json.gz",
        "botocore/cacert.pem",
    ],
)
def test_what_ships(tmp_path: Path, name: str) -> None:
    assert list(unpacked([wheel(tmp_path / "w.whl", [name])])) == [f"python/{name}"]


@pytest.mark.parametrize(
    "name",
    [
        "package/",
        "package/fast.pyx",
        "package/fast.pxd",
        "package/fast.c",
        "package/fast.pyi",
        "package/__pycache__/module.cpython-313.pyc",
        "package-1.0.dist-info/RECORD",
        "package-1.0.dist-info/WHEEL",
        "package-1.0.dist-info/INSTALLER",
        "package-1.0.dist-info/direct_url.json",
        "package-1.0.data/scripts/command",
        "package-1.0.data/data/share/man/command.1",
        "botocore/data/ec2/2016-11-15/service-2.json.gz",
        "botocore/data/s3control/2018-08-20/service-2.json.gz",
    ],
)
def test_what_does_not_ship(tmp_path: Path, name: str) -> None:
    assert unpacked([wheel(tmp_path / "w.whl", [name])]) == {}


@pytest.mark.parametrize("scheme", ["purelib", "platlib"])
def test_modules_of_a_wheels_data_folder_go_beside_the_others(tmp_path: Path, scheme: str) -> None:
    file = wheel(tmp_path / "w.whl", [f"package-1.0.data/{scheme}/package/module.py"])
    assert list(unpacked([file])) == ["python/package/module.py"]


def test_two_wheels_may_share_a_namespace_but_no_file(tmp_path: Path) -> None:
    one = wheel(tmp_path / "one.whl", {"google/__init__.py": "", "google/one.py": "1"})
    two = wheel(tmp_path / "two.whl", {"google/__init__.py": "", "google/two.py": "2"})
    assert sorted(unpacked([one, two])) == [
        "python/google/__init__.py",
        "python/google/one.py",
        "python/google/two.py",
    ]
    other = wheel(tmp_path / "other.whl", {"google/one.py": "another"})
    with pytest.raises(PackagingError, match=r"^other\.whl has a different google/one\.py"):
        unpacked([one, other])


def test_the_models_of_all_services_that_the_processor_uses_ship() -> None:
    used = {
        call.args[0].value
        for file in SOURCE.rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in {"client", "resource", "create_client"}
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
    assert used
    assert used <= SERVICES
