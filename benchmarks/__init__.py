"""How fast the processor is: beside what a user would otherwise pick, and beside the limit (`make bench`)."""

import sys
from pathlib import Path

# The peers' libraries are apart, so that nothing else depends on them. Last, so that what both have is ours.
_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
_PEERS = Path(__file__).resolve().parent.parent / ".local" / "benchmarks" / "venv" / "lib" / _PYTHON
sys.path.append(str(_PEERS / "site-packages"))
