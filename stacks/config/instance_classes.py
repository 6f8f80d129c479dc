"""The RDS instance classes that are accepted, by what they hold."""

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
"""Connections a class takes at RDS's default, LEAST({DBInstanceClassMemory/9531392}, 5000), rounded down:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.MaxConnections. The memory
is what the operating system leaves: 198 was read from 2 GiB, 413 from 4 GiB, 856 from 8 GiB."""
