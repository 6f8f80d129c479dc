"""The bootstrap stack: the state's bucket, and what the workflows' roles may and may not do."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local.servers import Servers
from main import chosen_bootstrap
from stacks.config.settings import SettingsError
from tests.documents.test_deploying import DEPLOYING
from tests.infrastructure.test_permissions import ALLOWED
from tests.support.documents import names_in
from tests.support.iam_policies import Policy, policy
from tests.support.recording_proxy import Use
from tests.support.synthesized import Stack, synthesize_bootstrap
from tests.support.terraform_runs import configuration, terraform_run

ACCOUNT = "123456789012"
VARIABLES = {
    "CATALOG_ACCOUNT_ID": ACCOUNT,
    "CATALOG_STATE_BUCKET": "states",
    "CATALOG_STATE_REGION": "eu-west-1",
    "CATALOG_REPOSITORY": "octo/shop",
}
REFERENCES = {"${aws_s3_bucket.State_Bucket.arn}": "arn:aws:s3:::states"}
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/product-catalog-functions"
STATE = "arn:aws:s3:::states/product-catalog/prod-stack.tfstate"
PLAN = "arn:aws:s3:::states/plans/prod-stack/1.tgz"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/inventory-processor-role-prod"
OTHERS_ROLE = f"arn:aws:iam::{ACCOUNT}:role/billing-role-prod"
ADMINISTRATOR = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:rds!db-0a1b2c3d-AbCdEf"
LOGS = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:"
IN_REGION = {"aws:RequestedRegion": "us-east-1"}


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Bootstrap stack with every part."""
    return synthesize_bootstrap(VARIABLES, tmp_path_factory.mktemp("bootstrap")).readable()


def rights(bootstrap: Stack, role: str) -> Policy:
    """Return what a role may by its inline policy, and by the managed one of who deploys."""
    documents = bootstrap.all("aws_iam_policy_document")
    found = [documents[name] for name in (f"{role}May", f"{role}NetworkMay") if name in documents]
    return policy([each for document in found for each in document["statement"]], REFERENCES)


def test_its_state_is_a_file_and_it_may_only_touch_its_account(bootstrap: Stack) -> None:
    document = bootstrap.document
    assert document["terraform"]["backend"] == {
        "local": {"path": "../../../terraform.bootstrap-stack.tfstate"}
    }
    (provider,) = document["provider"]["aws"]
    assert (provider["region"], provider["allowed_account_ids"]) == ("eu-west-1", [ACCOUNT])


def test_the_states_bucket_is_kept_private_versioned_and_encrypted(bootstrap: Stack) -> None:
    bucket = bootstrap.only("aws_s3_bucket")
    assert (bucket["bucket"], bucket["force_destroy"]) == ("states", False)
    assert bucket["lifecycle"] == {"prevent_destroy": True}
    versioning = bootstrap.only("aws_s3_bucket_versioning")["versioning_configuration"]
    assert versioning == {"status": "Enabled"}
    (rule,) = bootstrap.only("aws_s3_bucket_server_side_encryption_configuration")["rule"]
    assert rule["apply_server_side_encryption_by_default"] == {"sse_algorithm": "AES256"}
    assert rule["blocked_encryption_types"] == ["SSE-C"]
    block = bootstrap.only("aws_s3_bucket_public_access_block")
    assert {argument for argument, value in block.items() if value is True} == {
        "block_public_acls",
        "block_public_policy",
        "ignore_public_acls",
        "restrict_public_buckets",
    }
    (statement,) = bootstrap.named("aws_iam_policy_document", "State_TlsOnly")["statement"]
    assert (statement["effect"], statement["actions"]) == ("Deny", ["s3:*"])
    assert bootstrap.only("aws_s3_bucket_policy")["policy"] == (
        "${data.aws_iam_policy_document.State_TlsOnly.json}"
    )


def test_a_state_does_not_expire_but_plans_and_earlier_states_do(bootstrap: Stack) -> None:
    rules = bootstrap.only("aws_s3_bucket_lifecycle_configuration")["rule"]
    prefixes = {rule["filter"][0]["prefix"]: rule for rule in rules}
    assert set(prefixes) == {"product-catalog/", "plans/"}
    assert "expiration" not in prefixes["product-catalog/"]
    assert prefixes["plans/"]["expiration"] == [{"days": 7}]


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
@pytest.mark.parametrize(("kind", "suffix"), [("Plan", "-plan"), ("Deploy", "")])
def test_only_an_environment_of_the_repository_gets_a_role(
    bootstrap: Stack, name: str, kind: str, suffix: str
) -> None:
    role = bootstrap.named("aws_iam_role", f"{name}_{kind}Role")
    assert role["name"] == f"product-catalog-{kind.lower()}-{name}"
    assert role["assume_role_policy"] == f"${{data.aws_iam_policy_document.{name}_{kind}Trust.json}}"
    (trust,) = bootstrap.named("aws_iam_policy_document", f"{name}_{kind}Trust")["statement"]
    assert trust["actions"] == ["sts:AssumeRoleWithWebIdentity"]
    assert trust["principals"] == [
        {"type": "Federated", "identifiers": ["${aws_iam_openid_connect_provider.Issuer.arn}"]}
    ]
    assert {(each["test"], each["variable"], *each["values"]) for each in trust["condition"]} == {
        ("StringEquals", "token.actions.githubusercontent.com:aud", "sts.amazonaws.com"),
        (
            "StringEquals",
            "token.actions.githubusercontent.com:sub",
            f"repo:octo/shop:environment:{name}{suffix}",
        ),
    }


def test_nobody_stores_a_key(bootstrap: Stack) -> None:
    kinds = {kind for kind, _, _ in bootstrap.blocks()}
    assert not kinds & {"aws_iam_user", "aws_iam_access_key"}


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        ("s3:PutObject", STATE, {}),
        ("s3:GetObject", PLAN, {}),
        ("kinesis:CreateStream", f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/inventory-updates-prod", {}),
        ("s3:CreateBucket", f"arn:aws:s3:::product-inventory-archive-{ACCOUNT}-prod", {}),
        ("rds:CreateDBInstance", f"arn:aws:rds:us-east-1:{ACCOUNT}:db:product-catalog-prod", {}),
        (
            "lambda:InvokeFunction",
            f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:inventory-migrations-prod",
            {},
        ),
        ("ec2:CreateVpc", "*", IN_REGION),
        # The administrator's secret, which RDS makes with the deployer's rights.
        ("secretsmanager:CreateSecret", ADMINISTRATOR, {}),
        ("secretsmanager:TagResource", ADMINISTRATOR, {}),
        # An endpoint with private DNS.
        ("route53:AssociateVPCWithHostedZone", "*", {}),
        ("route53:DisassociateVPCFromHostedZone", "*", {}),
        ("iam:CreateRole", ROLE, {"iam:PermissionsBoundary": BOUNDARY}),
        ("ec2:CreateFlowLogs", "*", IN_REGION),
        # Another connection to the shop's network.
        ("ec2:ReplaceRoute", "*", IN_REGION),
        ("logs:CreateLogGroup", f"{LOGS}/aws/vpc/product-catalog-prod", {}),
        ("logs:PutRetentionPolicy", f"{LOGS}/aws/lambda/inventory-processor-prod:*", {}),
        ("iam:PassRole", ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}),
        ("iam:PassRole", ROLE, {"iam:PassedToService": "vpc-flow-logs.amazonaws.com"}),
        ("iam:PassRole", ROLE, {"iam:PassedToService": "monitoring.rds.amazonaws.com"}),
    ],
)
def test_a_deploy_may(bootstrap: Stack, action: str, resource: str, context: Mapping[str, str]) -> None:
    assert rights(bootstrap, "prod_Deploy").allows(Use(action, resource), context)
    assert not rights(bootstrap, "prod_Plan").allows(Use(action, resource), context)
    other = re.sub(r"\bprod\b", "staging", resource)
    if other != resource:
        assert not rights(bootstrap, "prod_Deploy").allows(Use(action, other), context)


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        ("iam:CreateRole", ROLE, {}),
        (
            "iam:PutRolePolicy",
            ROLE,
            {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"},
        ),
        ("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/product-catalog-deploy-prod", {}),
        ("iam:DeleteRolePermissionsBoundary", ROLE, {}),
        ("iam:UpdateAssumeRolePolicy", OTHERS_ROLE, {}),
        ("iam:PassRole", OTHERS_ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}),
        ("iam:AttachRolePolicy", ROLE, {"iam:PermissionsBoundary": BOUNDARY}),
        ("iam:CreatePolicyVersion", BOUNDARY, {}),
        ("iam:PassRole", ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}),
        ("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/somebody", {}),
        ("iam:UpdateAssumeRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/product-catalog-deploy-prod", {}),
        ("ec2:CreateVpc", "*", {"aws:RequestedRegion": "eu-west-1"}),
        ("ec2:RunInstances", "*", IN_REGION),
        ("s3:DeleteObject", STATE, {}),
        ("s3:PutBucketPolicy", "arn:aws:s3:::states", {}),
        # Another team's, and another environment's.
        ("logs:DeleteLogGroup", f"{LOGS}/aws/lambda/billing-production", {}),
        ("logs:DeleteLogGroup", f"{LOGS}/aws/lambda/billing-production:*", {}),
        ("logs:DeleteLogGroup", f"{LOGS}/aws/vpc/billing-production", {}),
        ("secretsmanager:GetSecretValue", ADMINISTRATOR, {}),
        ("secretsmanager:PutSecretValue", ADMINISTRATOR, {}),
        ("secretsmanager:PutResourcePolicy", ADMINISTRATOR, {}),
        ("secretsmanager:DeleteSecret", ADMINISTRATOR, {}),
        (
            "secretsmanager:GetSecretValue",
            f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:other-AbCdEf",
            {},
        ),
    ],
)
def test_a_deploy_may_not(bootstrap: Stack, action: str, resource: str, context: Mapping[str, str]) -> None:
    assert not rights(bootstrap, "prod_Deploy").allows(Use(action, resource), context)
    assert not rights(bootstrap, "prod_Plan").allows(Use(action, resource), context)


def test_a_plan_only_reads_but_for_its_lock_and_its_plan(bootstrap: Stack) -> None:
    written = {
        (grant.action, grant.resource)
        for grant in rights(bootstrap, "prod_Plan").grants()
        if not re.fullmatch(r"[\w-]+:(Describe|Get|List)[A-Za-z]*\*?", grant.action)
    }
    assert written == {
        ("s3:PutObject", f"{STATE}.tflock"),
        ("s3:DeleteObject", f"{STATE}.tflock"),
        ("s3:PutObject", PLAN.replace("1.tgz", "*")),
        # Writes nothing: the provider has AWS check a state machine's definition during a plan.
        ("states:ValidateStateMachineDefinition", "*"),
    }


def test_a_plan_refreshes_the_environment_s_buckets_and_no_other(bootstrap: Stack) -> None:
    """HeadBucket takes ListBucket: https://github.com/hashicorp/terraform-provider-aws/issues/17195."""
    plan = rights(bootstrap, "prod_Plan")
    for base in ("product-inventory-archive", "inventory-quarantine", "product-catalog-access"):
        assert plan.allows(Use("s3:ListBucket", f"arn:aws:s3:::{base}-{ACCOUNT}-prod"))
        assert not plan.allows(Use("s3:ListBucket", f"arn:aws:s3:::{base}-{ACCOUNT}-dev"))


def test_a_plan_reads_the_stack_s_own_secrets_alone(bootstrap: Stack, prod_from_ci: Stack) -> None:
    names = [body["name"] for body in prod_from_ci.all("aws_secretsmanager_secret").values()]
    read = {
        grant.resource
        for grant in rights(bootstrap, "prod_Plan").grants()
        if grant.action == "secretsmanager:GetSecretValue"
    }
    assert read == {f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:{name}-??????" for name in names}


def test_a_deploy_has_rights_in_every_service_of_the_stacks(bootstrap: Stack) -> None:
    prefixes = {name for row in DEPLOYING.table("service", "IAM prefix") for name in names_in(row[1])}
    granted = {grant.action.partition(":")[0] for grant in rights(bootstrap, "prod_Deploy").grants()}
    assert prefixes <= granted


def test_a_deploy_changes_the_stack_s_own_roles_and_policies_alone(
    prod_from_ci: Stack, tmp_path: Path
) -> None:
    stack = synthesize_bootstrap({**VARIABLES, "CATALOG_ROLE_PATH": "/team/"}, tmp_path).readable()
    for kind in ("role", "policy"):
        own = {
            f"arn:aws:iam::{ACCOUNT}:{kind}/team/{body['name']}"
            for body in prod_from_ci.all(f"aws_iam_{kind}").values()
        }
        changed = {
            grant.resource
            for grant in rights(stack, "prod_Deploy").grants()
            if f":{kind}/" in grant.resource and "/aws-service-role/" not in grant.resource
        }
        # Those of a replay, which an environment has by choice.
        replays = {f"inventory-replay-{part}prod" for part in ("role-", "map-role-")}
        own |= {f"arn:aws:iam::{ACCOUNT}:role/team/{name}" for name in replays if kind == "role"}
        assert changed == own


def test_a_role_s_policies_fit(bootstrap: Stack) -> None:
    """IAM counts characters without white space: of all inline policies together, and of a managed one."""
    for kind, most in (("Plan", 10_240), ("Deploy", 10_240), ("DeployNetwork", 6_144)):
        statements = bootstrap.named("aws_iam_policy_document", f"prod_{kind}May")["statement"]
        assert len(json.dumps(statements, separators=(",", ":"))) < most


@pytest.mark.parametrize("part", ["Processor", "Migrations"])
def test_the_boundary_allows_what_functions_need(bootstrap: Stack, part: str) -> None:
    (document,) = [
        body
        for name, body in bootstrap.all("aws_iam_policy_document").items()
        if name == "FunctionBoundary_May"
    ]
    boundary = policy(document["statement"], {})
    own = {"aws:ResourceAccount": ACCOUNT}
    assert all(boundary.allows(Use(action, "*"), own) for action in ALLOWED[f"{part}_Private_May"])
    assert not boundary.allows(Use("s3:PutObject", "*"), {"aws:ResourceAccount": "999999999999"})
    assert not boundary.allows(Use("iam:CreateUser", "*"), own)


def test_the_boundary_allows_what_the_roles_that_log_need(bootstrap: Stack, prod_from_ci: Stack) -> None:
    (document,) = [
        body
        for name, body in bootstrap.all("aws_iam_policy_document").items()
        if name == "FunctionBoundary_May"
    ]
    boundary = policy(document["statement"], {})
    for name in ("FlowLogs_May", "Database_Monitoring_May"):
        for grant in policy(prod_from_ci.named("aws_iam_policy_document", name)["statement"], {}).grants():
            assert boundary.allows(Use(grant.action, "*")), grant


def test_every_role_has_the_boundary_that_is_set(prod_from_ci: Stack) -> None:
    found = {role.get("permissions_boundary") for role in prod_from_ci.all("aws_iam_role").values()}
    assert found == {BOUNDARY.replace("policy/", "policy/team/")}


@pytest.mark.parametrize(
    "arn", [f"arn:aws:iam::{ACCOUNT}:policy/company/bound", "arn:aws:iam::aws:policy/PowerUserAccess"]
)
def test_a_boundary_of_the_company_s_own_is_the_only_one(tmp_path: Path, arn: str) -> None:
    stack = synthesize_bootstrap({**VARIABLES, "CATALOG_PERMISSIONS_BOUNDARY": arn}, tmp_path).readable()
    assert {body["name"] for body in stack.all("aws_iam_policy").values()} == {
        f"product-catalog-deploy-network-{name}" for name in ("dev", "staging", "prod")
    }
    assert {role.get("permissions_boundary") for role in stack.all("aws_iam_role").values()} == {arn}
    assert stack.document["output"]["PermissionsBoundaryArn"]["value"] == arn
    deploy = rights(stack, "prod_Deploy")
    assert deploy.allows(Use("iam:CreateRole", ROLE), {"iam:PermissionsBoundary": arn})
    assert not deploy.allows(Use("iam:CreateRole", ROLE), {"iam:PermissionsBoundary": BOUNDARY})


def test_a_boundary_of_ours_does_not_bound_who_deploys(bootstrap: Stack) -> None:
    assert {role.get("permissions_boundary") for role in bootstrap.all("aws_iam_role").values()} == {None}


def test_without_a_repository_there_are_no_roles(tmp_path: Path) -> None:
    stack = synthesize_bootstrap({**VARIABLES, "CATALOG_REPOSITORY": ""}, tmp_path)
    assert not stack.all("aws_iam_role")
    assert not stack.all("aws_iam_openid_connect_provider")


def test_an_identity_provider_that_exists_is_used(tmp_path: Path) -> None:
    stack = synthesize_bootstrap({**VARIABLES, "CATALOG_TRUSTS_GITHUB": "1"}, tmp_path)
    assert not stack.all("aws_iam_openid_connect_provider")
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
    assert arn in set(stack.strings())


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"CATALOG_ACCOUNT_ID": ""}, "^CATALOG_BOOTSTRAP is '1'; accepted: with CATALOG_ACCOUNT_ID and "),
        ({"CATALOG_STATE_BUCKET": ""}, "^CATALOG_BOOTSTRAP is '1'; accepted: with "),
        (
            {"CATALOG_STATE_BUCKET": f"states-{ACCOUNT}-prod"},
            f"^CATALOG_STATE_BUCKET is 'states-{ACCOUNT}-prod'; accepted: a name that does not end with "
            f"-{ACCOUNT}-prod, as prod-stack's own buckets do$",
        ),
        ({"CATALOG_REPOSITORY": "octo"}, "^CATALOG_REPOSITORY is 'octo'; accepted: 'owner/name'$"),
        ({"CATALOG_REPOSITORY": "octo/*"}, "^CATALOG_REPOSITORY is "),
        ({"CATALOG_PERMISSIONS_BOUNDARY": "bound"}, "^CATALOG_PERMISSIONS_BOUNDARY is 'bound'; accepted: "),
        ({"CATALOG_TRUSTS_GITHUB": "yes"}, "^CATALOG_TRUSTS_GITHUB is 'yes'; accepted: 0 or 1$"),
        ({"CATALOG_BOOTSTRAP": "yes"}, "^CATALOG_BOOTSTRAP is 'yes'; accepted: 0 or 1$"),
    ],
)
def test_a_wrong_variable_is_refused(changed: dict[str, Any], refusal: str) -> None:
    with pytest.raises(SettingsError, match=refusal):
        chosen_bootstrap({"CATALOG_BOOTSTRAP": "1", **VARIABLES, **changed})


@pytest.mark.timeout(300)
def test_it_is_applied_once_and_kept(servers: Servers, tmp_path: Path) -> None:
    """Apply to moto: the second plan is empty, and a destroy is refused."""
    bootstrap = synthesize_bootstrap({**VARIABLES, "CATALOG_WIDE_PROVIDER": "1"}, tmp_path)
    document = json.loads(json.dumps(bootstrap.document))
    # The provider waits for minutes, since moto does not return every argument of it.
    del document["resource"]["aws_s3_bucket_lifecycle_configuration"]
    local = configuration({})
    provider = document["provider"]["aws"][0]
    provider |= local["provider"]["aws"]
    provider |= {"region": "eu-west-1", "s3_use_path_style": True, "skip_requesting_account_id": False}
    document["terraform"] = local["terraform"]
    endpoint_urls = dict.fromkeys(("iam", "s3", "sts"), servers.moto.endpoint_url)
    with terraform_run(tmp_path, endpoint_urls=endpoint_urls) as terraform:
        terraform.configure(document)
        terraform.run("apply", "-auto-approve")
        terraform.run("plan", "-detailed-exitcode", expected=0)
        refused = terraform.run("plan", "-destroy", "-refresh=false", expected=1)
    assert "Instance cannot be destroyed" in refused
