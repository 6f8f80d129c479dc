"""What the archive costs as its objects grow old and change storage class."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from costs.driver import Driver
from costs.load import Batches
from costs.prices import BYTES_PER_GB, DAYS_PER_MONTH, Prices
from stacks.config.settings import ArchiveSettings

OBJECT_BYTES = 200
"""An archive object's bytes beside those of its records; tests/costs/test_measured.py measures both."""
ARCHIVED_RECORD_BYTES = 32.5
"""A record's bytes in an archive object, compressed."""

# Glacier Instant Retrieval bills smaller objects as this large, and Intelligent-Tiering neither monitors nor
# moves them.
_SMALLEST_BILLED = 128 * 1024
# When Intelligent-Tiering moves an object that nobody reads.
_INFREQUENT_AFTER_DAYS = 30
_ARCHIVE_INSTANT_AFTER_DAYS = 90
_BUCKET = ("aws_s3_bucket",)
_LIFECYCLE = ("aws_s3_bucket_lifecycle_configuration",)

_STANDARD = "Standard"
_FREQUENT = "Intelligent-Tiering, frequent"
_INFREQUENT = "Intelligent-Tiering, infrequent"
_ARCHIVE_INSTANT = "Intelligent-Tiering, archive instant"
_GLACIER = "Glacier Instant Retrieval"
CLASSES = (_STANDARD, _FREQUENT, _INFREQUENT, _ARCHIVE_INSTANT, _GLACIER)


@dataclass(frozen=True, kw_only=True)
class Stay:
    """An object's time in one storage class, in days of its age, and the size at which it is billed."""

    storage_class: str
    begins: float
    ends: float
    billed_bytes: float


def stays(size: float, settings: ArchiveSettings) -> list[Stay]:
    """Return in which classes an object of this size is, until it is permanently deleted.

    The bucket is versioned: an expired object is kept for `noncurrent_days` more.
    """
    end = settings.expiry_days + settings.noncurrent_days
    if size <= settings.tiering_above_bytes:
        return [Stay(storage_class=_STANDARD, begins=0, ends=end, billed_bytes=size)]
    tiering, glacier = settings.intelligent_tiering_days, settings.glacier_instant_retrieval_days
    infrequent = min(tiering + _INFREQUENT_AFTER_DAYS, glacier)
    instant = min(tiering + _ARCHIVE_INSTANT_AFTER_DAYS, glacier)
    if size < _SMALLEST_BILLED:
        infrequent = instant = glacier
    ages = (0, tiering, infrequent, instant, glacier, end)
    return [
        Stay(
            storage_class=storage_class,
            begins=begins,
            ends=ends,
            billed_bytes=max(size, _SMALLEST_BILLED) if storage_class == _GLACIER else size,
        )
        for storage_class, begins, ends in zip(CLASSES, ages, ages[1:], strict=False)
        if ends > begins
    ]


def archive_bytes(records: float) -> float:
    """Return the size of a batch's object."""
    return OBJECT_BYTES + records * ARCHIVED_RECORD_BYTES


def archive_drivers(
    batches: Sequence[Batches], settings: ArchiveSettings, prices: Prices, *, days: float
) -> Iterator[Driver]:
    """Yield what a month costs that ends `days` after the first object, if each day was like the others."""
    gb = dict.fromkeys(CLASSES, 0.0)
    monitored = transitions = 0.0
    for batch in batches:
        size = archive_bytes(batch.records)
        for stay in stays(size, settings):
            lasted = max(min(stay.ends, days) - stay.begins, 0.0)
            gb[stay.storage_class] += batch.per_day * lasted * stay.billed_bytes / BYTES_PER_GB
            if stay.storage_class.startswith("Intelligent") and size >= _SMALLEST_BILLED:
                monitored += batch.per_day * lasted
        if size > settings.tiering_above_bytes:
            transitions += batch.per_day * DAYS_PER_MONTH
    for storage_class, amount in gb.items():
        price = prices.of("s3", f"GB-month in {storage_class}")
        yield Driver(name="archive", count=amount, price=price, kinds=_BUCKET)
    yield Driver(
        name="archive: monitoring",
        count=monitored / 1000,
        price=prices.of("s3", "1,000 objects monitored by Intelligent-Tiering"),
        kinds=_BUCKET,
    )
    for storage_class, after in (
        ("Intelligent-Tiering", settings.intelligent_tiering_days),
        (_GLACIER, settings.glacier_instant_retrieval_days),
    ):
        yield Driver(
            name="archive: lifecycle",
            count=transitions / 1000 if days > after else 0.0,
            price=prices.of("s3", f"1,000 transitions to {storage_class}"),
            kinds=_LIFECYCLE,
        )
