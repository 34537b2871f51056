"""Everything that goes over the network, and the only importer of httpx.

`Api` speaks to Runway with the key; `Courier` carries files to and from the storage without it. The key
goes to the API's origin and nowhere else, nothing is sent twice by itself, and every failure is one of
our errors.
"""

from runway_watch.api.client import Api, Patience
from runway_watch.api.names import safe_filename
from runway_watch.api.pace import Pacing
from runway_watch.api.records import Account, Created, Slot, Task
from runway_watch.api.transfer import Courier, Received

__all__ = [
    "Account",
    "Api",
    "Courier",
    "Created",
    "Pacing",
    "Patience",
    "Received",
    "Slot",
    "Task",
    "safe_filename",
]
