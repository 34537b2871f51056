"""Which operations are served: one row each, and nothing else knows their names.

A new operation is a new row. What a row's models take, require and allow comes from the SDK's own
types (`params`) and from `runway-models.json`, so a newer SDK brings newer models with no code here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from runwayml.types.image_to_video_create_params import ImageToVideoCreateParams
from runwayml.types.text_to_image_create_params import TextToImageCreateParams


@dataclass(frozen=True, slots=True)
class Operation:
    """One paid endpoint.

    Args:
        name: as in `[job] operation`.
        path: where it is created, below the API's origin.
        params: the SDK's TypedDict for its parameters, or the union of them (one per model).
        slots: kind of dropped file -> parameters that may take it; the first one the model has wins.
        defaults: values for what a sidecar leaves out, where the chosen model has the parameter.
        poll: where its tasks are asked for.
    """

    name: str
    path: str
    params: Any
    slots: Mapping[str, tuple[str, ...]]
    defaults: Mapping[str, object] = field(default_factory=dict)
    poll: str = "/v1/tasks/{id}"


_ROWS = (
    Operation(
        name="image_to_video",
        path="/v1/image_to_video",
        params=ImageToVideoCreateParams,
        slots={"image": ("prompt_image",)},
        defaults={"model": "gen4.5", "ratio": "auto", "duration": 5},
    ),
    Operation(
        name="text_to_image",
        path="/v1/text_to_image",
        params=TextToImageCreateParams,
        slots={"image": ("reference_images",)},
        defaults={"model": "gen4_image", "ratio": "auto"},
    ),
)

OPERATIONS: Mapping[str, Operation] = MappingProxyType({row.name: row for row in _ROWS})
"""Every operation that is served, by name."""

DEFAULT_OPERATION: Mapping[str, str] = MappingProxyType(
    {"image": "image_to_video", "video": "video_to_video"}
)
"""What a dropped file asks for when its sidecar names no operation, by the file's kind."""
