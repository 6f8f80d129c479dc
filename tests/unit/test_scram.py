"""SCRAM-SHA-256 verifiers, compared with the exchange in RFC 7677, section 3."""

import base64
import hashlib
import hmac
import re

import pytest

from processor.scram import verifier

PASSWORD = "pencil"
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
AUTH_MESSAGE = (
    b"n=user,r=rOprNGfwEbeRWgbNEkqO,"
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
)
CLIENT_PROOF = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
SERVER_SIGNATURE = base64.b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
FORM = re.compile(r"SCRAM-SHA-256\$4096:([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]{44}):([A-Za-z0-9+/=]{44})")


def parts(text: str) -> list[bytes]:
    """Salt, stored key and server key."""
    matched = FORM.fullmatch(text)
    assert matched is not None, text
    return [base64.b64decode(part, validate=True) for part in matched.groups()]


def test_the_rfcs_client_and_server_accept_it() -> None:
    salt, stored_key, server_key = parts(verifier(PASSWORD, salt=SALT))
    assert salt == SALT
    assert hmac.digest(server_key, AUTH_MESSAGE, "sha256") == SERVER_SIGNATURE
    signature = hmac.digest(stored_key, AUTH_MESSAGE, "sha256")
    client_key = bytes(one ^ other for one, other in zip(CLIENT_PROOF, signature, strict=True))
    assert hashlib.sha256(client_key).digest() == stored_key


def test_every_verifier_has_its_own_salt() -> None:
    one, other = parts(verifier(PASSWORD)), parts(verifier(PASSWORD))
    assert len(one[0]) == 16
    assert one[0] != other[0]


def test_the_password_is_not_in_it() -> None:
    assert "pencil" not in verifier("pencil")


@pytest.mark.parametrize("password", ["", "pässword", "line\nbreak", "\x00", "\x7f", "\u00a0"])
def test_a_password_that_saslprep_might_change_is_refused(password: str) -> None:
    with pytest.raises(ValueError, match="not printable ASCII") as refusal:
        verifier(password)
    assert not password or password not in str(refusal.value)


@pytest.mark.parametrize("password", [" ", "a b", "'; DROP ROLE x; --", "~" * 100])
def test_printable_ascii_is_accepted(password: str) -> None:
    parts(verifier(password))
