"""Zip files whose bytes depend only on their contents and on the zlib that compresses them."""

import io
import stat
import zipfile
from collections.abc import Mapping

# The oldest time a zip file can hold; Lambda's runtime never looks at it.
_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
# Lambda's sandbox user must be able to read what another user has built.
_MODE = stat.S_IFREG | 0o644


def zipped(entries: Mapping[str, bytes]) -> bytes:
    """Return a zip file of `entries`, path → contents, ordered by path.

    The same zlib gives the same bytes; other builds of it (zlib-ng, Apple's) may compress differently.
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(entries):
            info = zipfile.ZipInfo(path, _TIME)
            info.create_system = _UNIX
            info.external_attr = _MODE << 16
            archive.writestr(info, entries[path], zipfile.ZIP_DEFLATED, compresslevel=9)
    return file.getvalue()
