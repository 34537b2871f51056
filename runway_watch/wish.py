"""What a drop asks for, as one word.

Equal for the same bytes with the same effective parameters, whatever its files are called, and different
for everything else.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from runway_watch.job import Generation, Job, asked


def wish_of(operation: str, params: Mapping[str, Any], contents: Mapping[str, str]) -> str:
    """The digest of a complete request.

    Args:
        operation: its name.
        params: Runway's parameters, defaults included, media as "file:NAME".
        contents: the SHA-256 of each "file:NAME".
    """
    asked = {"operation": operation, "params": _by_contents(params, contents)}
    canonical = json.dumps(asked, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def wish_of_call(job: Job, call: Generation) -> str:
    """What one generation of a job asks for."""
    view = asked(job, call)
    return wish_of(view.operation, view.params, view.contents)


def together(wishes: Sequence[str]) -> str:
    """What a drop asks for all of whose generations ask for these, in their order."""
    if len(wishes) == 1:
        return wishes[0]
    return hashlib.sha256("\n".join(wishes).encode()).hexdigest()


def _by_contents(value: Any, contents: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _by_contents(item, contents) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_by_contents(item, contents) for item in value]
    return f"sha256:{contents[value]}" if isinstance(value, str) and value in contents else value
