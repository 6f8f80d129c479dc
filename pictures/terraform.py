"""A synthesized stack: its resources, what refers to what, and who may do what."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Body = Mapping[str, Any]

_EXPRESSION = re.compile(r"\$\{([^}]*)\}(\S*)")
_ADDRESS = re.compile(r"(?<!data\.)\b(aws_[a-z0-9_]+\.[A-Za-z]\w*)")
_DOCUMENT = re.compile(r"\bdata\.aws_iam_policy_document\.(\w+)")

# What an action is called in the picture; one that is not here is only part of another.
_CHANGES = {
    "kinesis:PutRecords": "puts records",
    "lambda:InvokeFunction": "invokes",
    "s3:PutObject": "writes",
    "sqs:DeleteMessage": "takes messages",
    "states:StartExecution": "starts",
}
_LOOKS = {"s3:GetObject": "reads", "s3:ListBucket": "lists"}


@dataclass(frozen=True, kw_only=True)
class Right:
    """What a policy allows someone: an IAM policy, or a resource that has the policy's role.

    `targets`: (address, path in it), such as `("aws_s3_bucket.Archive_Private_Bucket", "/inventory/*")`.
    """

    owner: str
    actions: frozenset[str]
    targets: tuple[tuple[str, str], ...]

    @property
    def verb(self) -> str:
        """What it lets the owner do, in a word or two; empty if the picture has no word for it."""
        found = [verb for action, verb in (_CHANGES | _LOOKS).items() if action in self.actions]
        return found[0] if found else ""

    @property
    def only_looks(self) -> bool:
        """Whether nothing is changed with it."""
        return self.actions.isdisjoint(_CHANGES)


class Resources:
    """The resources of one `cdk.tf.json` by address, such as `aws_s3_bucket.Archive_Private_Bucket`."""

    def __init__(self, document: Body) -> None:
        """Take the document with ids that are predictable from the code."""
        self.bodies: dict[str, Body] = {
            f"{kind}.{logical_id}": body
            for kind, bodies in document["resource"].items()
            for logical_id, body in bodies.items()
        }
        self._policies: Body = document["data"]["aws_iam_policy_document"]

    def of_kind(self, *kinds: str) -> Iterator[tuple[str, Body]]:
        """Yield (address, body) of each resource of these kinds."""
        for address, body in self.bodies.items():
            if address.partition(".")[0] in kinds:
                yield address, body

    def rights(self) -> Iterator[Right]:
        """Yield what policies allow on resources of the stack."""
        owners: dict[str, list[str]] = defaultdict(list)
        for address, body in self.of_kind("aws_lambda_function", "aws_sfn_state_machine"):
            for role in references([body.get("role"), body.get("role_arn")]):
                owners[role].append(address)
        for address, policy in self.of_kind("aws_iam_policy", "aws_iam_role_policy"):
            (document,) = _DOCUMENT.findall(policy["policy"])
            for statement in self._policies[document]["statement"]:
                texts = statement["resources"] if statement.get("effect") != "Deny" else ()
                targets = tuple(found for text in texts for found in self._targets(text))
                for owner in owners[references(policy["role"])[0]] if "role" in policy else [address]:
                    if targets:
                        yield Right(owner=owner, actions=frozenset(statement["actions"]), targets=targets)

    def _targets(self, text: str) -> Iterator[tuple[str, str]]:
        for expression, path in _EXPRESSION.findall(text):
            yield from ((found, path) for found in _ADDRESS.findall(expression) if found in self.bodies)
        # The role needs the machine's ARN before there is one, so it is written out.
        for address, body in self.of_kind("aws_sfn_state_machine"):
            if text.endswith(f":stateMachine:{body['name']}"):
                yield address, ""


def references(node: Any) -> list[str]:
    """Return the addresses of resources that a value refers to, each once, in order."""
    expressions = (expression for expression, _ in _EXPRESSION.findall(json.dumps(node)))
    found = (address for expression in expressions for address in _ADDRESS.findall(expression))
    return list(dict.fromkeys(found))
