"""What keeps an environment from being deployed, and what else to know before a deploy.

None of it keeps an environment from being synthesized or destroyed (docs/adr/0020).
"""

from collections.abc import Iterator, Sequence
from datetime import date

from stacks.catalog_stack import Deployment
from stacks.config.encryption_key import parse_key_arn
from stacks.config.environments import Environment

UNRESERVED_CONCURRENCY = 100
"""What Lambda keeps unreserved: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html"""


def refusals(environment: Environment, deployment: Deployment, *, today: date) -> list[str]:
    """Return why an environment must not be deployed; each sentence says what to do."""
    found = list(environment.check_support(today).ended)
    if environment.encryption_key_arn and deployment.account_id:
        owner = parse_key_arn(environment.encryption_key_arn).account_id
        if owner != deployment.account_id:
            found.append(
                f"encryption_key_arn of {environment.name} is of a key in account {owner}, and "
                f"CATALOG_ACCOUNT_ID is {deployment.account_id}: the key and what it encrypts must be in one "
                "account"
            )
    if environment.is_kept:
        name = environment.name
        if not environment.alarms.emails:
            found.append(
                f"alarms.emails of {name} is empty: nobody would be notified of an alarm; add an address in "
                "stacks/config/environments.py"
            )
        if deployment.state_bucket is None:
            found.append(
                f"CATALOG_STATE_BUCKET is not set: the state of {name} would be a file on this machine; set "
                "it to the name of a versioned bucket"
            )
        if deployment.account_id is None:
            found.append(
                f"CATALOG_ACCOUNT_ID is not set: {name} would be deployed to whatever account the "
                "credentials are for; set it to the account's 12 digits"
            )
    return found


def notes(environments: Sequence[Environment], deployment: Deployment, *, today: date) -> Iterator[str]:
    """Yield what to know before a deploy, one line each."""
    for environment in environments:
        for refusal in refusals(environment, deployment, today=today):
            yield f"{environment.stack_id} cannot be deployed: {refusal}"
        for warning in environment.check_support(today).ending:
            yield f"{environment.stack_id}: {warning}"
    reserved = {each.stack_id: each.function.reserved_concurrency or 0 for each in environments}
    if any(reserved.values()):
        parts = " and ".join(f"{stack_id} {count}" for stack_id, count in reserved.items() if count)
        quota = UNRESERVED_CONCURRENCY + sum(reserved.values())
        yield (
            f"Lambda's concurrency: {parts} are reserved. One account for all needs a quota of {quota} or "
            "more; a new account has 10 (Service Quotas: L-B99A9384)"
        )
    built = deployment.deployment_packages.layers.keys()
    if missing := sorted({each.function.architecture for each in environments} - built):
        layers = " and ".join(missing)
        yield f"The layer for {layers} is not built; Terraform will refuse to deploy: make package"
