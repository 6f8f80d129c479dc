"""Every document can be reached, every link has its target, and every file that a document names exists."""

import re

import pytest

from tests.support.documents import PROJECT, Document, documents, files

LANGUAGES = {"json", "mermaid", "python", "sh", "sql", "text"}
"""Those that a test in this folder takes; `text` is output, `mermaid` a diagram."""

# The sketch's files, prefixes in buckets, and what commands write.
ELSEWHERE = ("lib/", "layer/", "aws/lambda/", "operations/fixed/", "operations/redriven/", "cdk.tf.json")
PATH = re.compile(r"\.?[A-Za-z_][\w.-]*(/[\w.-]+)*(/|\.(py|md|sh|sql|json|jsonl|toml|gz|txt))")

each_document = pytest.mark.parametrize("document", documents(), ids=lambda document: document.name)


def test_each_document_can_be_reached_from_the_readme() -> None:
    by_name = {document.name: document for document in documents()}
    reached: set[str] = set()
    left = ["README.md"]
    while left:
        name = left.pop()
        if name in reached:
            continue
        reached.add(name)
        left += [target for target, _ in internal_links(by_name[name]) if target in by_name]
    assert set(by_name) == reached


@each_document
def test_each_link_has_its_target(document: Document) -> None:
    by_name = {document.name: document for document in documents()}
    for target, fragment in internal_links(document):
        assert (PROJECT / target).is_file(), target
        if fragment:
            assert fragment in by_name[target].anchors(), (target, fragment)


@each_document
def test_each_file_that_is_named_exists(document: Document) -> None:
    """In the project, or under some folder of it, as tables of modules name them."""
    named = {span for span in document.code_spans() if PATH.fullmatch(span)}
    missing = {name for name in named if not any(f"/{file}".endswith(f"/{name}") for file in files())}
    assert {name for name in missing if not name.startswith(ELSEWHERE)} == set()


@each_document
def test_each_code_block_is_in_a_language_that_is_tested(document: Document) -> None:
    assert {block.language for block in document.blocks()} <= LANGUAGES


def internal_links(document: Document) -> list[tuple[str, str]]:
    """Return (file, fragment) of each link to a file of the project."""
    found = []
    for link in document.links():
        if not re.match(r"https?://", link):
            path, _, fragment = link.partition("#")
            target = (document.path.parent / path).resolve() if path else document.path
            found.append((target.relative_to(PROJECT).as_posix(), fragment))
    return found
