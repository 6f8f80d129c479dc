"""All deliberate defects."""

from reliability.defects.batch import BATCH
from reliability.defects.cache import CACHE
from reliability.defects.database import DATABASE
from reliability.defects.objects import OBJECTS
from reliability.defects.records import RECORDS

DEFECTS = [*RECORDS, *BATCH, *OBJECTS, *CACHE, *DATABASE]
