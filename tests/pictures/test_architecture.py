"""The picture of the architecture has what a stack's resources say, and refuses what it has no place for."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from pictures.arrows import arrows
from pictures.boxes import boxes
from pictures.places import KINDS, PLACES, PictureError, place_of
from pictures.routes import Cells, Grid
from pictures.terraform import Resources
from tests.infrastructure.test_arguments import ARGUMENTS
from tests.support.synthesized import synthesize_pictured


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Document of the stack that the picture of the architecture shows."""
    return synthesize_pictured(tmp_path_factory.mktemp("pictured")).document


def ends(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the titles of the boxes that each arrow joins."""
    resources = Resources(document)
    found = arrows(resources, boxes(resources, resources))
    return {(arrow.source.title, arrow.target.title) for arrow in found}


def without(document: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return the document without the resources of a kind."""
    kept = {found: bodies for found, bodies in document["resource"].items() if found != kind}
    return {**document, "resource": kept}


def test_every_kind_of_resource_has_a_place(pictured: Mapping[str, Any]) -> None:
    """Those of every stack, whose arguments are kept, and no others."""
    kept = {kind for kind in json.loads(ARGUMENTS.read_text()) if kind.startswith(("aws_", "terraform_data"))}
    assert kept | set(pictured["resource"]) == KINDS


def test_every_place_is_taken(pictured: Mapping[str, Any]) -> None:
    resources = Resources(pictured)
    assert set(boxes(resources, resources)) == set(PLACES.values())


@pytest.mark.parametrize("address", ["aws_dynamodb_table.Marks", "aws_s3_bucket.Spare_Private_Bucket"])
def test_what_has_no_place_is_refused(address: str) -> None:
    with pytest.raises(PictureError, match=rf"^{address} has no place .* pictures/places\.py"):
        place_of(address)


@pytest.mark.parametrize(
    ("kind", "gone"),
    [
        ("aws_s3_bucket_notification", ("S3: quarantine", "SQS: failed batches")),
        ("aws_cloudwatch_event_target", ("EventBridge rule", "Lambda: processor")),
        ("aws_vpc_security_group_egress_rule", ("Lambda: processor", "RDS: catalog")),
        ("aws_vpc_security_group_ingress_rule", ("Shop", "ElastiCache: cache")),
        ("aws_iam_role_policy", ("Lambda: processor", "S3: archive")),
        ("aws_sns_topic_subscription", ("SNS topic", "Operators")),
        ("aws_glue_catalog_table", ("Athena", "S3: archive")),
    ],
)
def test_an_arrow_is_there_for_a_resource(
    pictured: Mapping[str, Any], kind: str, gone: tuple[str, str]
) -> None:
    assert gone in ends(pictured)
    assert gone not in ends(without(pictured, kind))


def test_a_right_that_is_lent_to_aws_is_no_arrow_of_the_function(pictured: Mapping[str, Any]) -> None:
    """Lambda writes failed batches with the function's rights, Athena its results with the operator's."""
    resources = Resources(pictured)
    labels = {
        (arrow.source.title, arrow.target.title): arrow.label
        for arrow in arrows(resources, boxes(resources, resources))
    }
    assert labels["Lambda: processor", "S3: quarantine"] == "writes quarantine/, survivors/"
    assert labels["Event source mapping", "S3: quarantine"] == "writes failed batches"
    assert ("Operators", "S3: query results") not in labels


def test_each_alarm_is_on_what_it_watches(pictured: Mapping[str, Any]) -> None:
    resources = Resources(pictured)
    alarms = {box.place.title: box.alarms for box in boxes(resources, resources).values() if box.alarms}
    assert sum(alarms.values()) == len(list(resources.of_kind("aws_cloudwatch_metric_alarm")))
    # They name it by a reference, by the name of a node, or by the name of the service.
    assert alarms["SQS: failed batches"] == 1
    assert alarms["ElastiCache: cache"] == 3 * 2
    assert alarms["Lambda: processor"] > 10


def test_operators_look_into_what_they_may_only_read(pictured: Mapping[str, Any]) -> None:
    resources = Resources(pictured)
    seen = {box.place.title for box in boxes(resources, resources).values() if box.is_seen}
    assert {"S3: archive", "S3: quarantine", "Kinesis stream", "Athena"} <= seen
    assert seen.isdisjoint({"Lambda: processor", "State machine: replay"})


def test_records_take_the_road_from_suppliers_on(pictured: Mapping[str, Any]) -> None:
    resources = Resources(pictured)
    found = arrows(resources, boxes(resources, resources))
    road = {arrow.target.title for arrow in found if arrow.is_road}
    assert road == {
        "Kinesis stream",
        "Event source mapping",
        "Lambda: processor",
        "RDS: catalog",
        "ElastiCache: cache",
        "S3: archive",
        "S3: quarantine",
        "SQS: failed batches",
    }


def test_ways_keep_off_boxes_and_other_arrows() -> None:
    cells = [Cells(left=left, top=0, right=left + 6, bottom=6) for left in (2, 14, 26)]
    grid = Grid(width=34, height=14, boxes=cells)
    straight, around = grid.route(cells[0], cells[1]), grid.route(cells[0], cells[2])
    assert [x for x, _ in straight] == [8, 14]
    assert around[0] not in straight
    assert len(around) == 4
    assert max(y for _, y in around) > 6
    with pytest.raises(ValueError, match="no way"):
        Grid(width=20, height=6, boxes=cells[:2]).route(cells[0], Cells(left=30, top=0, right=36, bottom=6))
