"""Everything about Runway's operations, as data: what they take, allow, default to and cost.

The SDK's published types say what is valid, `runway-models.json` adds limits and prices, and a table of
operations says what a dropped file is for. A newer SDK brings newer models with no code here. Pure: no
clock, no network, no files but the package's own.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from runway_watch.catalogue import awaiting, media, prices, shapes
from runway_watch.catalogue.body import body
from runway_watch.catalogue.coding import why_not
from runway_watch.catalogue.fitting import Fit
from runway_watch.catalogue.judging import Drop, refusal
from runway_watch.catalogue.operations import DEFAULT_OPERATION, OPERATIONS, Operation, find
from runway_watch.catalogue.prices import Price
from runway_watch.catalogue.refining import shape_of
from runway_watch.catalogue.resolving import Request, Unfolded, request
from runway_watch.catalogue.resolving import unfold as _unfold
from runway_watch.catalogue.sifting import LeftOut, Sifted, unknown
from runway_watch.catalogue.sifting import sift as _sift
from runway_watch.catalogue.values import toml
from runway_watch.catalogue.words import Problem, nearest_name, show
from runway_watch.job import MediaFacts
from runway_watch.sidecar import Sidecar

__all__ = [
    "DEFAULT_OPERATION",
    "OPERATIONS",
    "LeftOut",
    "Operation",
    "Price",
    "Request",
    "Sifted",
    "Unfolded",
    "awaits_media",
    "find",
    "is_by_length",
    "price",
    "price_kind",
    "rebased",
    "references",
    "resolve",
    "served",
    "sift",
    "takes",
    "toml",
    "unfold",
    "unknown",
    "why_not",
    "wire",
]


def references(params: Mapping[str, Any]) -> tuple[str, ...]:
    """Every distinct `file:NAME` that stands for media in the parameters, in order."""
    return media.references(params)


def rebased(params: Mapping[str, Any], up: int) -> Mapping[str, Any]:
    """The parameters with every `file:NAME` as it reads from so many folders further down."""
    return media.rebased(params, up)


def awaits_media(operation: str, params: Mapping[str, Any], *, tag: str = "image") -> bool:
    """Whether a sidecar that stands alone needs a dropped file, or speaks of one as @tag, that is not there.

    Nonsense is no reason to wait: it is False for an unknown operation, and an unknown model is judged as
    the operation's default one.
    """
    row = find(operation)
    return row is not None and awaiting.awaits(row, params, tag=tag)


def sift(operation: str, layers: Sequence[Sidecar], own: Sidecar) -> Sifted:
    """A folder's defaults without what the drop's operation or model has no use for, and what that was."""
    row = find(operation)
    return Sifted(tuple(layers)) if row is None else _sift(row, layers, own)


def resolve(  # noqa: PLR0913 - the drop and the two settings that it is judged by
    operation: str,
    params: Mapping[str, Any],
    *,
    dropped: str | None,
    media: Mapping[str, MediaFacts],
    tag: str = "image",
    strict: bool = True,
    allowed_hosts: Collection[str] = (),
    fit: Fit = "crop",
) -> Request:
    """The complete request that a drop asks for: slot filled, defaults set, checked and priced.

    Args:
        operation: its name, as in `[job] operation`.
        params: Runway's parameters as in the sidecar.
        dropped: the dropped file's name, `cat.png`; None for a sidecar alone.
        media: what is known about each `file:NAME`, the dropped one included.
        tag: the name by which a prompt speaks of the dropped picture.
        strict: refuse models and keys that the SDK does not know, rather than sending them as they are.
        allowed_hosts: hosts that `https://` media may come from.
        fit: what becomes of a frame whose shape is not the ratio's.

    Raises:
        Refusal: `params.invalid`, or `reference.host` if hosts are all that is wrong; with every problem.
    """
    row = find(operation)
    if row is None:
        raise refusal([Problem(("[job] operation",), _not_served(operation))])
    file = None if dropped is None else f"file:{dropped}"
    drop = Drop(file=file, media=media, tag=tag, strict=strict, hosts=allowed_hosts, fit=fit)
    return request(row, params, drop)


def unfold(
    operation: str,
    params: Mapping[str, Any],
    *,
    dropped: str | None,
    media: Mapping[str, MediaFacts],
    tag: str = "image",
) -> Unfolded:
    """What `resolve` makes of a drop, as far as it comes, and where each value is from. Never raises."""
    row = find(operation)
    if row is None:
        return Unfolded(params, ())
    file = None if dropped is None else f"file:{dropped}"
    return _unfold(row, params, Drop(file=file, media=media, tag=tag, strict=True, hosts=()))


def _not_served(operation: str) -> str:
    if not operation:
        of_sounds = [n for n, row in OPERATIONS.items() if "audio" in row.slots and "image" not in row.slots]
        return f"nothing is asked for; what is done with a sound alone: {', '.join(of_sounds)}"
    near = nearest_name(operation, OPERATIONS)
    meant = f"; did you mean '{near}'?" if near else ""
    return f"{show(operation)} is not served{meant} (served: {', '.join(OPERATIONS)})"


def served(operation: str) -> Operation:
    """The operation of that name; KeyError for one that is not served."""
    row = find(operation)
    if row is None:
        raise KeyError(operation)
    return row


def wire(operation: str, params: Mapping[str, Any], uris: Mapping[str, str]) -> dict[str, Any]:
    """The JSON body for complete parameters: the SDK's spelling, every `file:NAME` replaced from `uris`.

    Raises:
        KeyError: an unknown operation, or a `file:NAME` without a URI.
    """
    return body(served(operation), params, uris)


def takes(operation: str, params: Mapping[str, Any], name: str) -> bool:
    """Whether the model that complete parameters name has a parameter; False where nobody knows."""
    row = find(operation)
    shape = None if row is None else shape_of(row, params)
    return shape is not None and name in shapes.fields(shape)


def price(operation: str, params: Mapping[str, Any], media: Mapping[str, MediaFacts] | None = None) -> Price:
    """What complete parameters should cost at the most; KeyError for an unknown operation."""
    return prices.price(served(operation), params, media or {})


def is_by_length(operation: str, params: Mapping[str, Any]) -> bool:
    """Whether a price depends on how long that is which goes in, which the parameters do not say."""
    row = find(operation)
    return row is not None and prices.is_by_length(row, params)


def price_kind(operation: str, params: Mapping[str, Any], listed: int | None) -> str:
    """What has the same price as this, which costs `listed` by the price list; `""` for no operation."""
    row = find(operation)
    return "" if row is None else prices.kind(row, params, listed)
