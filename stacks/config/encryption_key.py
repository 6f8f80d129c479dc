"""The team's own key in AWS KMS, as `encryption_key_arn` names it."""

import re
from dataclasses import dataclass

from stacks.config.settings import SettingsError

# Not an alias: RDS and ElastiCache return the key's own ARN, so each plan would replace them. The id of a
# multi-region key begins with mrk-.
_ARN = re.compile(
    r"arn:aws:kms:(?P<region>[a-z0-9-]+):(?P<account_id>[0-9]{12}):key/"
    r"(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})"
)
ACCEPTED_KEYS = "a key's ARN (no alias), such as 'arn:aws:kms:us-east-1:123456789012:key/…', or None"


@dataclass(frozen=True, kw_only=True)
class EncryptionKey:
    """What a key's ARN says."""

    region: str
    account_id: str


def parse_key_arn(arn: str) -> EncryptionKey:
    """Return what the ARN of a key says.

    Raises: SettingsError.
    """
    found = _ARN.fullmatch(arn)
    if found is None:
        raise SettingsError(f"encryption_key_arn is {arn!r}; accepted: {ACCEPTED_KEYS}")
    return EncryptionKey(**found.groupdict())
