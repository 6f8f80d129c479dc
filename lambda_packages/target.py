"""What the deployment packages are built for: Lambda's runtime, its architectures and its limits."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
DIST = PROJECT / "dist"

RUNTIME = "python3.13"
ARCHITECTURES = ("arm64", "x86_64")
PYTHON_VERSION = RUNTIME.removeprefix("python")
CACHE_TAG = f"cpython-{PYTHON_VERSION.replace('.', '')}"
# CPython's `PYC_MAGIC_NUMBER`, 3571 since 3.13's first release candidate.
BYTECODE_MAGIC = (3571).to_bytes(2, "little") + b"\r\n"

# Where Lambda unpacks code and layers: https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html
CODE_ROOT = "/var/task"
LAYER_ROOT = "/opt"

# Code and layer of an architecture together; 250 MB is Lambda's limit.
ZIPPED_BUDGET_BYTES = 25_000_000
UNZIPPED_LIMIT_BYTES = 250_000_000

_MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
# The runtime is based on Amazon Linux 2023, which has glibc 2.34; CPython 3.13 supports 2.17 and later.
_NEWEST_GLIBC_MINOR = 34
_OLDEST_GLIBC_MINOR = 17


def machine(architecture: str) -> str:
    """Return Linux's name for an architecture.

    Raises: ValueError if Lambda has no such architecture.
    """
    if architecture not in _MACHINES:
        raise ValueError(f"architecture is {architecture!r}; accepted: {', '.join(ARCHITECTURES)}")
    return _MACHINES[architecture]


def platforms(architecture: str) -> list[str]:
    """Return the platform tags of the wheels that the runtime accepts, best first.

    Raises: ValueError.
    """
    processor = machine(architecture)
    minors = range(_NEWEST_GLIBC_MINOR, _OLDEST_GLIBC_MINOR - 1, -1)
    return [*(f"manylinux_2_{minor}_{processor}" for minor in minors), f"manylinux2014_{processor}"]


def marker_environment(architecture: str) -> dict[str, str]:
    """Return the values of environment markers in the runtime, whatever this machine is.

    Raises: ValueError.
    """
    full_version = f"{PYTHON_VERSION}.0"
    return {
        "implementation_name": "cpython",
        "implementation_version": full_version,
        "os_name": "posix",
        "platform_machine": machine(architecture),
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": full_version,
        "python_version": PYTHON_VERSION,
        "sys_platform": "linux",
    }
