"""Refuses to destroy a stack whose deployed settings keep it, before anything is removed."""

from cdktf import DataResource, LocalExecProvisioner, TerraformResource, TerraformStack
from constructs import Construct

from stacks.config.environments import Environment
from stacks.config.settings import Removal


class RemovalGuard(Construct):
    """A resource that Terraform destroys first; its destroy fails while the deployed `removal` is NEVER.

    A change of `removal` takes effect when it is deployed: only then does RDS know that it may delete the
    database, and whether to take a final snapshot. Without this guard, a destroy that follows the change
    without a deploy would remove half of the stack before RDS refuses (docs/adr/0019).

    Create it after all other resources of the stack.
    """

    def __init__(self, scope: Construct, id_: str, *, config: Environment) -> None:
        super().__init__(scope, id_)
        refusal = (
            f"{config.stack_id} was deployed with removal={Removal.NEVER.name}. Nothing was removed. "
            "Deploy it with another removal (stacks/config/environments.py), then destroy it."
        )
        others = [
            node for node in TerraformStack.of(self).node.find_all() if isinstance(node, TerraformResource)
        ]
        DataResource(
            self,
            "Removal",
            # In a destroy, `self.input` below is what was deployed last.
            input={"removal": config.removal.name},
            provisioners=[
                LocalExecProvisioner(
                    type="local-exec",
                    when="destroy",
                    environment={"REMOVAL": "${self.input.removal}"},
                    command=f"if [ $REMOVAL = {Removal.NEVER.name} ]; then echo '{refusal}' >&2; exit 1; fi",
                )
            ],
            # So it is destroyed before them.
            depends_on=others,
        )
