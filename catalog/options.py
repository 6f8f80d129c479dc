"""The options that commands share."""

from typing import Annotated

import typer

from catalog.errors import UsageError

EnvironmentName = Annotated[
    str | None,
    typer.Option(
        "--env",
        envvar="CATALOG_ENV",
        help="local, dev, staging, prod, … Default: a kept local run.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
Yes = Annotated[bool, typer.Option("--yes", help="Make the change. Without it: a dry run.")]
Product = Annotated[str, typer.Argument(metavar="PRODUCT", help="The product's id.")]
Reason = Annotated[
    str | None,
    typer.Option("--reason", help="Why, for `catalog history`; --yes needs it.", show_default=False),
]


def some_product(product_id: str) -> str:
    """Return a product's id as it was given. Raises: UsageError if it is empty."""
    if not product_id:
        raise UsageError("the product's id is empty")
    return product_id
