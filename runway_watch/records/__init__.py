"""What is written beside a job: result, error and held records, as TOML text.

They are read back when the ledger is lost: the table `[ledger]` in them holds what only it would know.
"""

from runway_watch.records.reading import MOST_BYTES, Record, owner_of, read, table_of
from runway_watch.records.writing import SCHEMA, charged, error, held, result

__all__ = [
    "MOST_BYTES",
    "SCHEMA",
    "Record",
    "charged",
    "error",
    "held",
    "owner_of",
    "read",
    "result",
    "table_of",
]
