"""The roles that a repository's workflows assume, without a key that anybody stores."""

from collections.abc import Sequence

from cdktf_cdktf_provider_aws.data_aws_iam_policy_document import (
    DataAwsIamPolicyDocumentStatementCondition as Condition,
)
from cdktf_cdktf_provider_aws.data_aws_iam_policy_document import (
    DataAwsIamPolicyDocumentStatementPrincipals as Principals,
)
from cdktf_cdktf_provider_aws.iam_policy import IamPolicy
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from cdktf_cdktf_provider_aws.iam_role_policy_attachment import IamRolePolicyAttachment
from constructs import Construct

from stacks.bootstrap import deploy_rights as rights
from stacks.config.environments import Environment
from stacks.policies import Statement, allow, allow_if, arn_like, document, equals, is_true

_BOUNDARY = "product-catalog-functions"


class FunctionBoundary(Construct):
    """The permissions boundary of the functions' roles; `arn`: its ARN."""

    def __init__(
        self, scope: Construct, id_: str, *, account_id: str, role_path: str | None, key_arns: Sequence[str]
    ) -> None:
        super().__init__(scope, id_)
        own_account = [equals("aws:ResourceAccount", account_id)]
        statements = [
            # What can carry data out of the account.
            allow_if(sid, actions, ["*"], own_account) if sid == "Storage" else allow(sid, actions, ["*"])
            for sid, actions in rights.OF_FUNCTIONS.items()
        ]
        if key_arns:
            statements.append(allow("Keys", rights.KEYS_OF_FUNCTIONS, key_arns))
        IamPolicy(
            self,
            "Policy",
            name=_BOUNDARY,
            path=role_path,
            description="The most that functions of the product catalog may do",
            policy=document(self, "May", statements),
        )
        # Not the resource's attribute: the roles' conditions are then the same text before it exists.
        self.arn = f"arn:aws:iam::{account_id}:policy{role_path or '/'}{_BOUNDARY}"


class DeployRoles(Construct):
    """A role that plans an environment and one that deploys it.

    GitHub puts the job's environment into a token's subject, so the rules of that environment (reviewers,
    branches) decide who gets the role: `<name>-plan` for the plan, `<name>` for the deploy.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: Environment,
        account_id: str,
        role_path: str | None,
        bucket_arn: str,
        boundary_arn: str,
        issuer: str,
        issuer_arn: str,
        repository: str,
    ) -> None:
        super().__init__(scope, id_)
        self._config = config
        self._account_id = account_id
        self._role_path = role_path
        self._issuer = issuer
        self._issuer_arn = issuer_arn
        self._repository = repository
        state = f"{bucket_arn}/product-catalog/{config.stack_id}.tfstate"
        plans = f"{bucket_arn}/plans/{config.stack_id}/*"
        reading = [
            allow("Read", rights.READING, ["*"]),
            allow("FindState", ["s3:ListBucket"], [bucket_arn]),
            allow("ReadState", ["s3:GetObject"], [state]),
            allow("LockState", ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], [f"{state}.tflock"]),
            # To refresh a bucket, the provider sends HeadBucket.
            allow("RefreshBuckets", ["s3:ListBucket"], [self._resources("s3")[0]]),
            # Terraform reads a secret's version to see whether it is still there.
            allow(
                "RefreshSecrets",
                ["secretsmanager:GetSecretValue"],
                self._resources("secretsmanager"),
            ),
            allow("RefreshParameter", ["ssm:GetParameter"], self._resources("ssm")),
            # Without it, Lambda returns no environment variables, and every plan would set them again.
            *self._key_policy(),
            *self._key("RefreshEncrypted", ["kms:Decrypt"], ["lambda", "secretsmanager"]),
        ]
        self._role("Plan", f"{config.name}-plan", [*reading, allow("WritePlans", ["s3:PutObject"], [plans])])
        deploy = self._role(
            "Deploy",
            config.name,
            [
                *reading,
                allow("WriteState", ["s3:PutObject"], [state]),
                allow("ReadPlans", ["s3:GetObject"], [plans]),
                *self._services(),
                *self._key("UseKey", rights.USING_KEY, rights.CREATED_WITH_KEY),
                *self._key(
                    "GrantKey",
                    ["kms:CreateGrant"],
                    rights.GRANTED_KEY,
                    [is_true("kms:GrantIsForAWSResource")],
                ),
                *self._roles(boundary_arn),
            ],
        )
        self._attach_network(deploy)

    def _role(self, id_: str, environment: str, statements: Sequence[Statement]) -> IamRole:
        trust = Statement(
            sid="Workflow",
            actions=["sts:AssumeRoleWithWebIdentity"],
            principals=[Principals(type="Federated", identifiers=[self._issuer_arn])],
            condition=[
                equals(f"{self._issuer}:aud", "sts.amazonaws.com"),
                equals(f"{self._issuer}:sub", f"repo:{self._repository}:environment:{environment}"),
            ],
        )
        role = IamRole(
            self,
            f"{id_}Role",
            name=self._config.physical_name(f"product-catalog-{id_.lower()}"),
            path=self._role_path,
            assume_role_policy=document(self, f"{id_}Trust", [trust]),
        )
        IamRolePolicy(
            self,
            f"{id_}Rights",
            name="rights",
            role=role.name,
            policy=document(self, f"{id_}May", statements),
        )
        return role

    def _attach_network(self, role: IamRole) -> None:
        """Give the role its rights on networks, in a managed policy.

        Inline policies have 10,240 characters together, and a managed one 6,144 of its own.
        """
        statements = [
            allow_if("Network", rights.NETWORK, ["*"], [equals("aws:RequestedRegion", self._config.region)]),
            # Without the region: Route 53 is global.
            allow("PrivateDns", rights.PRIVATE_DNS, ["*"]),
        ]
        policy = IamPolicy(
            self,
            "DeployNetworkPolicy",
            name=self._config.physical_name("product-catalog-deploy-network"),
            path=self._role_path,
            description="Deploy the network of the product catalog",
            policy=document(self, "DeployNetworkMay", statements),
        )
        IamRolePolicyAttachment(self, "DeployNetwork", role=role.name, policy_arn=policy.arn)

    def _services(self) -> list[Statement]:
        """Return the rights on an environment's resources but its network, roles and policies."""
        functions = self._resources("lambda")[0]
        here = f"{self._config.region}:{self._account_id}"
        return [
            *(
                allow(service.capitalize(), [f"{service}:*"], self._resources(service))
                for service in rights.BY_NAME
            ),
            allow(
                "Tables",
                rights.TABLES,
                rights.table_resources(
                    account_id=self._account_id, region=self._config.region, name=self._config.name
                ),
            ),
            allow_if(
                "Mappings", rights.EVENT_SOURCE_MAPPINGS, ["*"], [arn_like("lambda:FunctionArn", functions)]
            ),
            allow(
                "TagMappings",
                ["lambda:TagResource", "lambda:UntagResource"],
                [f"arn:aws:lambda:{here}:event-source-mapping:*"],
            ),
            allow(
                "AdministratorsSecret",
                rights.ADMINISTRATORS_SECRET,
                [f"arn:aws:secretsmanager:{here}:secret:rds!db-*"],
            ),
        ]

    def _roles(self, boundary_arn: str) -> list[Statement]:
        """Return the rights on the functions' roles and on the policies for suppliers and the shop."""
        account, path = f"arn:aws:iam::{self._account_id}", self._role_path or "/"
        roles = [f"{account}:role{path}{self._config.physical_name(base)}" for base in rights.ROLES]
        policies = [f"{account}:policy{path}{self._config.physical_name(base)}" for base in rights.POLICIES]
        return [
            allow_if(
                "BoundRoles",
                rights.CHANGING_ROLES_RIGHTS,
                roles,
                [equals("iam:PermissionsBoundary", boundary_arn)],
            ),
            allow("Roles", rights.CHANGING_ROLES, roles),
            allow_if(
                "PassRoles", ["iam:PassRole"], roles, [equals("iam:PassedToService", *rights.ROLES_ARE_FOR)]
            ),
            allow("Policies", rights.CHANGING_POLICIES, policies),
            allow_if(
                "ServiceLinkedRoles",
                ["iam:CreateServiceLinkedRole"],
                [f"{account}:role/aws-service-role/*"],
                [equals("iam:AWSServiceName", *rights.SERVICE_LINKED_ROLES)],
            ),
        ]

    def _key_policy(self) -> list[Statement]:
        """Return the right that `make preflight` needs on the environment's own key, if it has one."""
        key_arn = self._config.encryption_key_arn
        return [allow("ReadKeyPolicy", ["kms:GetKeyPolicy"], [key_arn])] if key_arn else []

    def _key(
        self, sid: str, actions: Sequence[str], services: Sequence[str], conditions: Sequence[Condition] = ()
    ) -> list[Statement]:
        """Return the rights on the environment's own key, if it has one, through these services only."""
        if self._config.encryption_key_arn is None:
            return []
        through = equals(
            "kms:ViaService", *(f"{service}.{self._config.region}.amazonaws.com" for service in services)
        )
        return [allow_if(sid, actions, [self._config.encryption_key_arn], [through, *conditions])]

    def _resources(self, service: str) -> list[str]:
        return rights.resources(
            service, account_id=self._account_id, region=self._config.region, name=self._config.name
        )
