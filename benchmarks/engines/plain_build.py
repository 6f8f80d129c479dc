"""The bulk way as it would start in Lambda: it reads the database's login from Secrets Manager first."""

import json
from dataclasses import replace

import aioboto3

from benchmarks.engine import Addresses
from benchmarks.engines.bulk import Bulk
from benchmarks.engines.plain_clients import options


class PlainBuild(Bulk):
    """As the bulk way, with the login from the secret."""

    name = "plain_build"

    async def _open(self, addresses: Addresses) -> None:
        async with aioboto3.Session().client("secretsmanager", **options(addresses)) as secrets:
            answer = await secrets.get_secret_value(SecretId="login")
        login = json.loads(answer["SecretString"])
        postgres = replace(addresses.postgres, user=login["username"], password=login["password"])
        await super()._open(replace(addresses, postgres=postgres))
