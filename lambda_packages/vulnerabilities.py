"""`python -m lambda_packages.vulnerabilities`: look up known vulnerabilities of what Lambda runs, in OSV.

Exits with 0 if none has one, with 1 if one has, and with 3 if the database cannot be reached.
https://google.github.io/osv.dev/post-v1-querybatch/
"""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping

from lambda_packages.sbom import package_url, shipped_packages

SERVICE = "https://api.osv.dev/v1/querybatch"
UNREACHABLE = 3
_TIMEOUT_SECONDS = 30


def known_vulnerabilities(packages: Mapping[str, str], service: str = SERVICE) -> dict[str, list[str]]:
    """Return the ids of each package's vulnerabilities by its URL; one without any is left out.

    Raises: OSError if the service cannot be reached, ValueError if something else answers.
    """
    urls = [package_url(name, version) for name, version in packages.items()]
    body = json.dumps({"queries": [{"package": {"purl": url}} for url in urls]}).encode()
    request = urllib.request.Request(  # noqa: S310 the address is above, or a test's
        service, data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
        results = json.load(response).get("results", ())
    if len(results) != len(urls):
        raise ValueError(f"{len(urls)} packages were sent, and {len(results)} came back")
    return {
        url: [each["id"] for each in result["vulns"]]
        for url, result in zip(urls, results, strict=True)
        if result.get("vulns")
    }


def check(packages: Mapping[str, str], service: str = SERVICE) -> int:
    """Print what is known and return the exit status."""
    try:
        found = known_vulnerabilities(packages, service)
    except (OSError, ValueError, AttributeError, KeyError) as error:
        sys.stderr.write(f"Nothing was checked: no answer from {service} ({error})\n")
        return UNREACHABLE
    for url, ids in found.items():
        sys.stdout.write(f"{url}: {', '.join(ids)} (https://osv.dev/vulnerability/{ids[0]})\n")
    sys.stdout.write(f"{len(packages)} packages, {len(found)} with a known vulnerability\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(check(shipped_packages()))
