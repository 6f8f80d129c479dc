"""Policy statements, as data sources, which tools can analyse (unlike JSON text)."""

from collections.abc import Sequence

from cdktf_cdktf_provider_aws.data_aws_iam_policy_document import (
    DataAwsIamPolicyDocument,
    DataAwsIamPolicyDocumentStatement,
    DataAwsIamPolicyDocumentStatementCondition,
    DataAwsIamPolicyDocumentStatementPrincipals,
)
from constructs import Construct

Statement = DataAwsIamPolicyDocumentStatement


def document(scope: Construct, id_: str, statements: Sequence[Statement]) -> str:
    """Return a policy as the JSON that Terraform will render."""
    return DataAwsIamPolicyDocument(scope, id_, statement=list(statements)).json


def allow(sid: str, actions: Sequence[str], resources: Sequence[str]) -> Statement:
    """Return a statement for a role that allows these actions on these resources."""
    return Statement(sid=sid, actions=list(actions), resources=list(resources))


def allow_if(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    conditions: Sequence[DataAwsIamPolicyDocumentStatementCondition],
) -> Statement:
    """Return a statement for a role that allows these actions on these resources under all conditions."""
    return Statement(sid=sid, actions=list(actions), resources=list(resources), condition=list(conditions))


def deny_function_code(sid: str, actions: Sequence[str]) -> Statement:
    """Return a statement for a function's role that denies its code what Lambda itself may do with the role.

    Requests of the code name the function, and those of Lambda that are not for logs or traces do not:
    https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html
    """
    return Statement(
        sid=sid,
        effect="Deny",
        actions=list(actions),
        resources=["*"],
        condition=[_condition("Null", "lambda:SourceFunctionArn", "false")],
    )


def allow_service(
    sid: str,
    service: str,
    actions: Sequence[str],
    resources: Sequence[str] | None = None,
    conditions: Sequence[DataAwsIamPolicyDocumentStatementCondition] = (),
) -> Statement:
    """Return a statement for a resource's policy that allows an AWS service these actions.

    `resources`: None in a role's trust policy, which applies to the role only.
    """
    return Statement(
        sid=sid,
        actions=list(actions),
        resources=None if resources is None else list(resources),
        principals=[DataAwsIamPolicyDocumentStatementPrincipals(type="Service", identifiers=[service])],
        condition=list(conditions),
    )


def allow_account(
    sid: str,
    account_id: str,
    actions: Sequence[str],
    resources: Sequence[str],
    conditions: Sequence[DataAwsIamPolicyDocumentStatementCondition] = (),
) -> Statement:
    """Return a statement for an endpoint's policy that allows principals of the account these actions."""
    own = equals("aws:PrincipalAccount", account_id)
    return allow_anybody(sid, actions, resources, [own, *conditions])


def allow_anybody(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    conditions: Sequence[DataAwsIamPolicyDocumentStatementCondition],
) -> Statement:
    """Return a statement for an endpoint's policy that allows these actions under all conditions."""
    return Statement(
        sid=sid,
        actions=list(actions),
        resources=list(resources),
        principals=[DataAwsIamPolicyDocumentStatementPrincipals(type="*", identifiers=["*"])],
        condition=list(conditions),
    )


def deny_plain_http(actions: Sequence[str], resources: Sequence[str]) -> Statement:
    """Return a statement for a resource's policy that denies access without TLS."""
    return Statement(
        sid="TlsOnly",
        effect="Deny",
        actions=list(actions),
        resources=list(resources),
        principals=[DataAwsIamPolicyDocumentStatementPrincipals(type="*", identifiers=["*"])],
        condition=[_condition("Bool", "aws:SecureTransport", "false")],
    )


def equals(variable: str, *values: str) -> DataAwsIamPolicyDocumentStatementCondition:
    """Return the condition that a key of the request has one of these values."""
    return _condition("StringEquals", variable, *values)


def arn_equals(variable: str, *arns: str) -> DataAwsIamPolicyDocumentStatementCondition:
    """Return the condition that a key of the request is one of these ARNs."""
    return _condition("ArnEquals", variable, *arns)


def arn_differs(variable: str, *arns: str) -> DataAwsIamPolicyDocumentStatementCondition:
    """Return the condition that a key of the request is none of these ARNs, or that there is no such key."""
    return _condition("ArnNotEquals", variable, *arns)


def arn_like(variable: str, pattern: str) -> DataAwsIamPolicyDocumentStatementCondition:
    """Return the condition that a key of the request is an ARN that matches this pattern."""
    return _condition("ArnLike", variable, pattern)


def matches(variable: str, pattern: str) -> DataAwsIamPolicyDocumentStatementCondition:
    """Return the condition that a key of the request matches this pattern."""
    return _condition("StringLike", variable, pattern)


def is_true(variable: str) -> DataAwsIamPolicyDocumentStatementCondition:
    """Return the condition that a key of the request is true."""
    return _condition("Bool", variable, "true")


def _condition(test: str, variable: str, *values: str) -> DataAwsIamPolicyDocumentStatementCondition:
    return DataAwsIamPolicyDocumentStatementCondition(test=test, variable=variable, values=list(values))
