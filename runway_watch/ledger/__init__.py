"""The ledger, the only room that knows SQL: jobs, generations, history, and what is remembered of uploads."""

from runway_watch.ledger.database import file_of
from runway_watch.ledger.ledger import Ledger
from runway_watch.ledger.lock import Lock, holder

__all__ = ["Ledger", "Lock", "file_of", "holder"]
