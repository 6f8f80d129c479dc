"""Whether the state's bucket can hold a state."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from preflight.account import Account
from preflight.findings import Finding


def state_bucket(account: Account, bucket: str | None, region: str) -> Iterator[Finding]:
    """Check that the bucket is there, in its region, versioned, encrypted and not public."""
    if bucket is None:
        yield Finding(check="state", found="a file in this folder", needed="a bucket, if others deploy too")
        return
    check = f"state bucket {bucket}"
    client = account.clients("s3")
    try:
        location = client.get_bucket_location(Bucket=bucket).get("LocationConstraint") or "us-east-1"
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise
        yield Finding(check=check, found="not there", needed="a bucket", remedy="make bootstrap")
        return
    yield Finding(
        check=f"{check}: region",
        found=location,
        needed=region,
        remedy="" if location == region else f"CATALOG_STATE_REGION={location}",
    )
    status = client.get_bucket_versioning(Bucket=bucket).get("Status", "not enabled")
    yield Finding(
        check=f"{check}: versioning",
        found=status,
        needed="Enabled",
        remedy="" if status == "Enabled" else "enable it, to be able to go back to an earlier state",
    )
    algorithm = _encryption(account, bucket)
    yield Finding(
        check=f"{check}: encryption",
        found=algorithm or "none by default",
        needed="AES256 or aws:kms",
        remedy="" if algorithm else "set a default encryption",
    )
    is_private = _is_private(account, bucket)
    yield Finding(
        check=f"{check}: public access",
        found="blocked" if is_private else "not blocked",
        needed="blocked",
        remedy="" if is_private else "block all public access",
    )


def _encryption(account: Account, bucket: str) -> str | None:
    try:
        found = account.clients("s3").get_bucket_encryption(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ServerSideEncryptionConfigurationNotFoundError":
            raise
        return None
    (rule,) = found["ServerSideEncryptionConfiguration"]["Rules"]
    algorithm: str = rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
    return algorithm


def _is_private(account: Account, bucket: str) -> bool:
    try:
        found = account.clients("s3").get_public_access_block(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchPublicAccessBlockConfiguration":
            raise
        return False
    return all(found["PublicAccessBlockConfiguration"].values())
