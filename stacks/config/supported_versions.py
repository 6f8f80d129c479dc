"""The versions that settings may have, and until when each gets security fixes.

Add a version here before an environment uses it; `database.py` says what a PostgreSQL upgrade needs.
"""

from collections.abc import Mapping
from datetime import date

END_OF_LIFE: Mapping[str, Mapping[str, date]] = {
    # https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html. Only one:
    # the deployment packages are built for it (lambda_packages/target.py).
    "Lambda runtime": {"python3.13": date(2029, 6, 30)},
    # https://www.postgresql.org/support/versioning/; RDS has paid support for some more years. The migrations
    # need 17 or newer (GRANT MAINTAIN).
    "PostgreSQL": {
        "17": date(2029, 11, 8),
        "18": date(2030, 11, 14),
    },
    # Three years from a version's release: https://valkey.io/topics/releases/. 8.2 is ElastiCache's alone:
    # 8.1 with vector search (https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/engine-versions.html).
    "Valkey": {
        "7.2": date(2027, 4, 16),
        "8.0": date(2027, 9, 15),
        "8.1": date(2028, 3, 31),
        "8.2": date(2028, 3, 31),
        "9.0": date(2028, 10, 21),
    },
}
"""The day after which a version gets no more security fixes; a version that is not here is refused."""
