"""The RDS instance classes that settings may have."""

from collections.abc import Mapping

MAX_CONNECTIONS: Mapping[str, int] = {
    "db.t4g.micro": 80,
    "db.t4g.small": 190,
    "db.t4g.medium": 410,
    "db.t4g.large": 850,
    "db.m7g.large": 850,
    "db.m7g.xlarge": 1700,
    "db.m7g.2xlarge": 3400,
    "db.r7g.large": 1650,
    "db.r7g.xlarge": 3300,
    "db.r7g.2xlarge": 5000,
}
"""A class's connections at RDS's default, LEAST({DBInstanceClassMemory/9531392}, 5000), rounded down:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.MaxConnections. The memory
excludes what the operating system uses: measured were 198 for 2 GiB, 413 for 4 GiB and 856 for 8 GiB."""
