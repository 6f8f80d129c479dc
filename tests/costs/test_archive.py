"""The archive by storage class, and the size from which a move pays (ADR 7)."""

from dataclasses import replace

import pytest

from costs.archive import CLASSES, archive_drivers, stays
from costs.load import Batches
from costs.prices import read_prices
from tests.support.environments import PROD

PRICES = read_prices()
SETTINGS = PROD.archive
KIB = 1024
MIB = 1024 * KIB
# Of 32,508 records an object is 200 bytes more than 1,056,510: nearly a MiB.
LARGE = Batches(per_day=1024, records=(MIB - 200) / 32.5)
FULL_DAYS = 1125


def counts(batches: Batches, *, days: float = FULL_DAYS) -> dict[str, float]:
    """Return the drivers' counts by unit."""
    return {each.price.unit: each.count for each in archive_drivers([batches], SETTINGS, PRICES, days=days)}


def test_a_small_object_stays_where_it_is_until_it_is_deleted() -> None:
    (stay,) = stays(128 * KIB, SETTINGS)
    assert (stay.storage_class, stay.begins, stay.ends) == ("Standard", 0, 1095 + 30)


def test_a_large_object_moves_by_itself_within_intelligent_tiering() -> None:
    ages = [(stay.storage_class, stay.begins, stay.ends) for stay in stays(MIB, SETTINGS)]
    assert ages == [
        ("Standard", 0, 30),
        ("Intelligent-Tiering, frequent", 30, 60),
        ("Intelligent-Tiering, infrequent", 60, 90),
        ("Glacier Instant Retrieval", 90, 1125),
    ]
    late = replace(SETTINGS, glacier_instant_retrieval_days=400)
    ends = {stay.storage_class: stay.ends for stay in stays(MIB, late)}
    assert ends["Intelligent-Tiering, infrequent"] == 120
    assert ends["Intelligent-Tiering, archive instant"] == 400


def test_gigabytes_by_class_when_the_archive_is_full() -> None:
    """A GiB a day: as many GB-months as an object has days in the class."""
    found = counts(LARGE)
    days = [found[f"GB-month in {storage_class}"] for storage_class in CLASSES]
    assert days == pytest.approx([30, 30, 30, 0, 1035])
    # 1,024 objects a day are monitored for 60 days, and move twice.
    assert found["1,000 objects monitored by Intelligent-Tiering"] == pytest.approx(1.024 * 60)
    moves = 1.024 * 730 / 24
    assert found["1,000 transitions to Intelligent-Tiering"] == pytest.approx(moves)
    assert found["1,000 transitions to Glacier Instant Retrieval"] == pytest.approx(moves)


def test_a_young_archive_is_smaller() -> None:
    found = counts(LARGE, days=75)
    days = [found[f"GB-month in {storage_class}"] for storage_class in CLASSES]
    assert days == pytest.approx([30, 30, 15, 0, 0])
    assert found["1,000 transitions to Glacier Instant Retrieval"] == 0


def test_a_small_object_is_billed_as_128_kib_in_glacier() -> None:
    moving = replace(SETTINGS, tiering_above_bytes=1)
    found = {stay.storage_class: stay.billed_bytes for stay in stays(31 * KIB, moving)}
    assert found == {
        "Standard": 31 * KIB,
        "Intelligent-Tiering, frequent": 31 * KIB,
        "Glacier Instant Retrieval": 128 * KIB,
    }


@pytest.mark.parametrize(("size", "pays"), [(31 * KIB, False), (60 * KIB, False), (66 * KIB, True)])
def test_a_move_pays_from_about_64_kb(size: int, *, pays: bool) -> None:
    """ADR 7: an object of 31 KB costs more in three years if it moves; the balance tips at about 64 KB."""
    batches = [Batches(per_day=1000, records=(size - 200) / 32.5)]

    def cost(tiering_above_bytes: int) -> float:
        settings = replace(SETTINGS, tiering_above_bytes=tiering_above_bytes)
        drivers = archive_drivers(batches, settings, PRICES, days=FULL_DAYS)
        return sum(each.dollars or 0.0 for each in drivers)

    assert (cost(1) < cost(131_072)) == pays
