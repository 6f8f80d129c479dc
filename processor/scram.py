"""SCRAM-SHA-256 verifiers, which PostgreSQL stores, so that no password appears in a statement log."""

import base64
import hashlib
import hmac
import secrets

ITERATIONS = 4096
_SALT_BYTES = 16


def verifier(password: str, *, salt: bytes | None = None) -> str:
    """Return the text that `ALTER ROLE … PASSWORD` accepts in place of the password.

    https://www.postgresql.org/docs/18/catalog-pg-authid.html and RFC 5803. Passwords are ASCII here: SASLprep
    would leave them as they are. Raises: ValueError for any other.
    """
    if not password or not password.isascii() or not password.isprintable():
        raise ValueError("the password is empty or holds a character that is not printable ASCII")
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    texts = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${ITERATIONS}:{texts[0]}${texts[1]}:{texts[2]}"
