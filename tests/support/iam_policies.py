"""An evaluation of policies by IAM's rules, for the part of IAM's language that the stacks use.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.recording_proxy import Use

Statement = Mapping[str, Any]
NO_CONTEXT: Mapping[str, str] = {}

_KNOWN = frozenset({"sid", "effect", "actions", "resources", "principals", "condition"})


@dataclass(frozen=True, kw_only=True, order=True)
class Grant:
    """One action on one pattern of resources, from a statement that allows it."""

    action: str
    resource: str

    def covers(self, use: Use) -> bool:
        """Return whether the grant's action and pattern match the use."""
        return _matches(self.action.lower(), use.action.lower()) and _matches(self.resource, use.resource)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A document's statements with names in place of references."""

    statements: tuple[Statement, ...]

    def allows(self, use: Use, context: Mapping[str, str] = NO_CONTEXT) -> bool:
        """Return whether a statement allows the use and none denies it; `context`: condition keys' values."""
        effects = {
            effect(statement)
            for statement in self.statements
            if _holds(statement, context) and any(grant.covers(use) for grant in grants(statement))
        }
        return effects == {"Allow"}

    def grants(self, context: Mapping[str, str] | None = None) -> set[Grant]:
        """Return everything that the policy allows in a context; without one, ignoring conditions."""
        return {
            grant
            for statement in self.statements
            if effect(statement) == "Allow" and (context is None or _holds(statement, context))
            for grant in grants(statement)
        }


def policy(statements: Iterable[Statement], names: Mapping[str, str]) -> Policy:
    """Return the policy with these values for references; other references stay and match nothing.

    Raises: ValueError for a part of IAM's language that is not evaluated here.
    """
    return Policy(statements=tuple(_with_names(statement, names) for statement in statements))


def effect(statement: Statement) -> str:
    """Return a statement's effect, which Terraform defaults to Allow."""
    found: str = statement.get("effect") or "Allow"
    return found


def grants(statement: Statement) -> Iterator[Grant]:
    """Yield each action on each pattern of resources, ignoring the statement's effect."""
    for action in statement["actions"]:
        for resource in statement["resources"]:
            yield Grant(action=action, resource=resource)


def _with_names(statement: Statement, names: Mapping[str, str]) -> Statement:
    if unknown := set(statement) - _KNOWN:
        raise ValueError(f"{statement.get('sid')}: {sorted(unknown)} is not evaluated here")

    def named(text: str) -> str:
        for reference, value in names.items():
            text = text.replace(reference, value)
        return text

    return {
        **statement,
        "resources": [named(resource) for resource in statement["resources"]],
        "condition": [
            {**condition, "values": [named(value) for value in condition["values"]]}
            for condition in statement.get("condition", ())
        ],
    }


def _holds(statement: Statement, context: Mapping[str, str]) -> bool:
    for condition in statement["condition"]:
        value = context.get(condition["variable"])
        match condition["test"]:
            case "StringEquals" | "Bool":
                holds = value in condition["values"]
            case "ArnNotEquals":
                # Also true where the request has no such key.
                holds = value not in condition["values"]
            case "ArnLike":
                holds = value is not None and any(_matches(found, value) for found in condition["values"])
            case "Null":
                holds = ("true" if value is None else "false") in condition["values"]
            case other:
                raise ValueError(f"{statement.get('sid')}: {other} is not evaluated here")
        if not holds:
            return False
    return True


def _matches(pattern: str, text: str) -> bool:
    """Return whether an IAM pattern (`*`: any text, `?`: any character) matches the whole text."""
    return bool(re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, re.DOTALL))
