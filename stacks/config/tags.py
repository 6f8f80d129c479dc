"""The team's own tags, which every resource gets beside ours, and which of them AWS refuses."""

import re
from collections.abc import Mapping

from stacks.config.settings import SettingsError

OUR_TAGS = ("Environment", "ManagedBy", "Name", "Project")
"""The keys that the stacks set themselves."""

# https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html: 50 per resource, and
# the characters that every service accepts.
_MOST_TAGS = 50 - len(OUR_TAGS)
_KEY = re.compile(r"[\w .:/=+@-]{1,128}")
_VALUE = re.compile(r"[\w .:/=+@-]{0,256}")
_ACCEPTED = "letters, digits, spaces inside and _ . : / = + - @, not beginning with 'aws:'"


def check_tags(tags: Mapping[str, str]) -> None:
    """Refuse tags that AWS would refuse on some resource, and those that the stacks set.

    Raises: SettingsError.
    """
    if not isinstance(tags, Mapping):
        raise SettingsError(f"tags is {tags!r}; accepted: such as {{'CostCentre': '4711'}}")
    if len(tags) > _MOST_TAGS:
        raise SettingsError(f"tags has {len(tags)} keys; accepted: at most {_MOST_TAGS}")
    if strange := [item for pair in tags.items() for item in pair if not isinstance(item, str)]:
        raise SettingsError(f"tags has {strange[0]!r}; accepted: strings, such as {str(strange[0])!r}")
    # IAM does not distinguish upper and lower case.
    keys = [key.lower() for key in tags]
    if repeated := [key for key in tags if keys.count(key.lower()) > 1]:
        raise SettingsError(
            f"tags has the keys {', '.join(repeated)}; accepted: keys that differ by more than case"
        )
    for key, value in tags.items():
        # A Name would be a change in every plan of a resource that has another.
        if key.lower() in (name.lower() for name in OUR_TAGS):
            raise SettingsError(
                f"tags has the key {key!r}; accepted: any but {', '.join(OUR_TAGS)}, which the stacks set"
            )
        if not _fits(_KEY, key):
            raise SettingsError(f"tags has the key {key!r}; accepted: 1 to 128 {_ACCEPTED}")
        if not _fits(_VALUE, value):
            raise SettingsError(f"tags has {key!r}: {value!r}; accepted: 0 to 256 {_ACCEPTED}")


def _fits(pattern: re.Pattern[str], text: str) -> bool:
    return bool(pattern.fullmatch(text)) and text == text.strip() and not text.lower().startswith("aws:")
