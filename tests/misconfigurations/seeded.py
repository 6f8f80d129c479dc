"""The misconfigurations that are tried; `prod-stack` has none of them."""

from tests.misconfigurations.encryption import ENCRYPTION
from tests.misconfigurations.monitoring import MONITORING
from tests.misconfigurations.operating import OPERATING
from tests.misconfigurations.processing import PROCESSING
from tests.misconfigurations.stores import STORES
from tests.misconfigurations.terraform import TERRAFORM

SEEDED = [*MONITORING, *TERRAFORM, *STORES, *PROCESSING, *OPERATING, *ENCRYPTION]
