"""A server's directory, and the user it belongs to."""

import os
import pwd
import secrets
import tempfile
from pathlib import Path

from local.servers.errors import ServerError
from local.servers.guard import our_guard


def server_user() -> pwd.struct_passwd | None:
    """Return the user to run servers as that refuse to run as root; None if we are not root."""
    if os.geteuid():
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise ServerError("PostgreSQL refuses to run as root, and there is no user 'nobody'") from None


def give_to(user: pwd.struct_passwd | None, path: Path) -> None:
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


def make_directory(name: str, user: pwd.struct_passwd | None) -> Path:
    """Make a private directory below the system's temporary directory; the guard watches it beforehand."""
    try:
        directory = Path(tempfile.gettempdir()) / f"catalog-{name.lower()}-{secrets.token_hex(8)}"
    except FileNotFoundError as error:
        raise _no_directory(name, error) from error
    our_guard().watch_directory(directory)
    try:
        directory.mkdir(mode=0o700)
    except OSError as error:
        raise _no_directory(name, error) from error
    give_to(user, directory)
    return directory


def _no_directory(name: str, error: OSError) -> ServerError:
    return ServerError(f"no directory for {name}: {error}; set TMPDIR to a writable one")
