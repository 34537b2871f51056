"""What is written beside a job: result, error and held records, as TOML text.

They are read back when the ledger is lost: the table `[ledger]` in them holds what only it would know.
"""

from runway_watch.records.reading import Record, read
from runway_watch.records.writing import SCHEMA, charged, error, held, job_of, result

__all__ = ["SCHEMA", "Record", "charged", "error", "held", "job_of", "read", "result"]
