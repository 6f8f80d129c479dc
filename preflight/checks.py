"""Every check of a stack, in the order of the table."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from preflight import capacity
from preflight.account import Account
from preflight.encryption_key import encryption_key
from preflight.existing_vpc import existing_vpc
from preflight.findings import Finding
from preflight.names import Names, taken_names
from preflight.shop_network import shop_network
from preflight.state_bucket import state_bucket
from stacks.catalog_stack import Deployment
from stacks.config.environments import Environment

_CHECKS = (
    capacity.concurrency,
    capacity.vpcs,
    capacity.zones,
    capacity.database_class,
    capacity.cache_node_type,
    capacity.service_linked_roles,
    encryption_key,
    existing_vpc,
    shop_network,
)


def run_checks(
    account: Account,
    environment: Environment,
    deployment: Deployment,
    *,
    names: Names,
    refusals: Sequence[str],
) -> list[Finding]:
    """Return the findings of all checks; a check that AWS refuses to answer is a finding, too.

    `names`: the stack's physical names by kind. `refusals`: what refuses a deploy whatever the account has.
    """
    findings = [_account(account, deployment)]
    findings += [
        Finding(check="settings", found="refuse the deploy", needed="no refusal", remedy=text)
        for text in refusals
    ]
    region = deployment.state_region or environment.region
    findings += _findings_of("state bucket", partial(state_bucket, account, deployment.state_bucket, region))
    for check in _CHECKS:
        findings += _findings_of(check.__name__, partial(check, account, environment))
    if account.is_deployed:
        findings.append(Finding(check="names", found="not compared: the stack is deployed", needed="free"))
        return findings
    taken = [
        finding
        for kind in names
        for finding in _findings_of(kind, partial(taken_names, account, kind, names[kind]))
    ]
    count = sum(map(len, names.values()))
    return findings + (taken or [Finding(check="names", found=f"{count} are free", needed="free")])


def _account(account: Account, deployment: Deployment) -> Finding:
    expected = deployment.account_id
    return Finding(
        check="account",
        found=account.id,
        needed=expected or "any: CATALOG_ACCOUNT_ID is not set",
        remedy=""
        if expected in (None, account.id)
        else "use that account's credentials, or correct CATALOG_ACCOUNT_ID",
    )


def _findings_of(check: str, run: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Return a check's findings, or one that says that AWS did not answer."""
    try:
        return list(run())
    except ClientError as error:
        code = error.response["Error"]["Code"]
        found, remedy = f"{error.operation_name}: {code}", "give yourself the right, or look it up yourself"
    except ResponseParserError:
        found, remedy = "an answer that is not AWS's", "look for a proxy on the way to AWS"
    except BotoCoreError as error:
        found, remedy = " ".join(str(error).split()), "try again"
    return [Finding(check=check.replace("_", " "), found=found, needed="an answer", remedy=remedy)]
