"""The parameter in SSM by which the operators' program `catalog` finds an environment's parts."""

import json

from cdktf_cdktf_provider_aws.ssm_parameter import SsmParameter
from constructs import Construct

from stacks.archive import Archive
from stacks.archive_queries import ArchiveQueries
from stacks.cache import REDIS_PORT, Cache
from stacks.config.environments import Environment
from stacks.credentials import Credentials
from stacks.database import DATABASE_NAME, POSTGRES_PORT, Database
from stacks.inventory_processor import InventoryProcessor
from stacks.quarantine import Quarantine
from stacks.stream import InventoryStream


class EnvironmentParameter(Construct):
    """Names and addresses, and no secret: the JSON members that `catalog/environment.py` reads.

    `arn`: the parameter's.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: Environment,
        stream: InventoryStream,
        archive: Archive,
        queries: ArchiveQueries,
        quarantine: Quarantine,
        processor: InventoryProcessor,
        database: Database,
        writer: Credentials,
        reader: Credentials,
        cache: Cache,
    ) -> None:
        super().__init__(scope, id_)
        members = {
            "name": config.name,
            "region": config.region,
            "stream_name": stream.name,
            "archive_bucket": archive.bucket_name,
            "quarantine_bucket": quarantine.bucket_name,
            "queue_url": quarantine.queue_url,
            "function_name": processor.name,
            "database_host": database.host,
            "database_port": POSTGRES_PORT,
            "database_name": DATABASE_NAME,
            "database_tls": True,
            "database_secret_arn": writer.secret_arn,
            "reader_secret_arn": reader.secret_arn,
            "cache_host": cache.host,
            "cache_port": REDIS_PORT,
            "cache_tls": True,
            "cache_user": cache.shop.name,
            "cache_writer_user": cache.processor.name,
            "cache_cluster_id": cache.cluster_id,
            "athena_workgroup": queries.workgroup_name,
            "glue_database": queries.database_name,
        }
        self.arn = SsmParameter(
            self,
            "Parameter",
            name=f"/product-catalog/{config.name}",
            type="String",
            description="Where the parts of the product catalog are, for the program `catalog`",
            value=json.dumps(members),
        ).arn
