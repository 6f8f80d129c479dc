"""The pictures show what the stacks and the programs are, and need nothing from elsewhere."""

import json
import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pictures.__main__ import ARCHITECTURE
from pictures.arrows import arrows
from pictures.boxes import boxes
from pictures.drawing import draw
from pictures.places import KINDS, PLACES, PictureError, place_of
from pictures.recordings import EXPLAIN, EXPLAINED, KEPT, LOCAL, RUN, UPDATES
from pictures.routes import Cells, Grid
from pictures.terraform import Resources
from tests.support.decoding import reject
from tests.support.documents import PROJECT
from tests.support.synthesized import Stack, synthesize_pictured

PICTURES = PROJECT / "docs" / "pictures"
ARGUMENTS = PROJECT / "tests" / "infrastructure" / "arguments.json"
MOST_BYTES = 40_000


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


def test_the_architecture_is_that_of_the_stacks(
    pictured: Mapping[str, Any], stacks: dict[str, Stack]
) -> None:
    drawn = draw(pictured, stacks["dev-stack"].readable().document)
    assert ARCHITECTURE.read_text() == drawn, "if the change is meant: make pictures"


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


def test_ways_keep_off_boxes_and_other_arrows() -> None:
    cells = [Cells(left=left, top=0, right=left + 6, bottom=6) for left in (2, 14, 26)]
    grid = Grid(width=34, height=14, boxes=cells)
    straight, around = grid.route(cells[0], cells[1]), grid.route(cells[0], cells[2])
    assert [x for x, _ in straight] == [8, 14]
    assert around[0] not in straight
    assert {y for _, y in around if y > 6}, around
    with pytest.raises(ValueError, match="no way"):
        Grid(width=20, height=6, boxes=cells[:2]).route(cells[0], Cells(left=30, top=0, right=36, bottom=6))


@pytest.mark.parametrize("path", sorted(PICTURES.glob("*.svg")), ids=lambda path: path.name)
def test_a_picture_is_small_and_needs_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text()
    assert len(text.encode()) < MOST_BYTES
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 ours
    assert re.findall(r"https?://[^\s\"<]*", shapes(text)) == []
    assert not re.search(r"<script|<image|@import|@font-face|url\((?!#)", text)


def shapes(svg: str) -> str:
    """Return an SVG without its namespace, and without the texts that it shows."""
    return re.sub(r">[^<]*</text>", "></text>", svg.replace("http://www.w3.org/2000/svg", ""))


def recorded(path: Path) -> list[str]:
    """Return the lines of a recorded session."""
    lines: dict[float, str] = {}
    for y, text in re.findall(
        r'<text class="\w+-r\d+" [^>]*?\by="([\d.]+)"[^>]*>([^<]*)</text>', path.read_text()
    ):
        lines[float(y)] = lines.get(float(y), "") + unescape(text).replace("\xa0", " ")
    return [lines[y].rstrip() for y in sorted(lines)]


def test_the_recorded_run_has_the_claims_of_the_verdict() -> None:
    lines = recorded(LOCAL)
    claims = [line.split("│")[2].strip() for line in lines if line.startswith("│ yes")]
    source = "".join(path.read_text() for path in (PROJECT / "local" / "demo").glob("*.py"))
    assert len(claims) == 5
    assert all(claim in source for claim in [*claims, "Every claim holds.", lines[-1]])
    assert (lines[0], lines[-1]) == (f"$ {RUN}", KEPT)


def test_the_recorded_explanation_has_the_words_of_today() -> None:
    """Numbers, times and what else differs from run to run are not compared."""
    lines = recorded(EXPLAIN)
    rejection = reject(UPDATES[-1], "invalid_price")
    assert lines[0] == f"$ {EXPLAINED}"
    assert lines[-1] == "The row is the same."
    shown = " ".join(" ".join(lines).split())
    assert f"rejected: {rejection.reason}" in shown
    assert all(word in shown for word in rejection.message.split())
