"""Which operations are served: one row each, and nothing else knows their names.

A new operation is a new row. What a row's models take, require and allow comes from the SDK's own
types (`params`) and from `runway-models.json`, so a newer SDK brings newer models with no code here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from runwayml import types
from runwayml.types import generate

TASKS = "/v1/tasks/{id}"
INVOCATIONS = "/v1/workflow_invocations/{id}"

_FREE = "{id}"
_ID = re.compile(r"[0-9A-Za-z-]{1,64}")

AUTO = "auto"
"""What a ratio is that shall fit the picture, and a duration that shall be the film's."""

Slots = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One paid endpoint.

    Args:
        name: as in `[job] operation`, and its path below `/v1/`.
        params: the SDK's TypedDict for its parameters, or the union of them (one per model).
        slots: kind of dropped file -> parameters that may take it, `input.reference_images` for one in a
            table. The first that the model has, and that the sidecar leaves open, wins.
        defaults: values for what a sidecar leaves out, where the chosen model has the parameter.
        poll: where its tasks are asked for.
        published: the name under which its limits and prices are published; "" for its own.
    """

    name: str
    params: Any
    slots: Slots = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)
    poll: str = TASKS
    published: str = ""

    @property
    def path(self) -> str:
        """Where it is created, below the API's origin."""
        return f"/v1/{self.name}"

    @property
    def listed(self) -> str:
        """The path under which its limits and prices are published."""
        return f"/v1/{self.published or self.name}"

    @property
    def stops(self) -> bool:
        """Whether Runway can be asked to stop one: there is no such request for a workflow's run."""
        return self.poll == TASKS

    def with_model(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """These parameters, with the operation's default model where they name none."""
        return {key: self.defaults[key] for key in ("model",) if key in self.defaults} | dict(params)

    def model(self, params: Mapping[str, Any]) -> str:
        """The model that these parameters name; where there are none, the operation stands for it."""
        return str(params.get("model", self.name))


_IMAGES = ("references",)
_BESIDE = {"video": ("reference_videos",), "audio": ("reference_audio",)}
"""Where a video's operation takes a film or a sound that is not its main one."""

_RECIPE = {"version": "2026-06", "duration": 5}
_VOICE = {"type": "runway-preset", "preset_id": "Maya"}

_ROWS = (
    Operation(
        "image_to_video",
        types.ImageToVideoCreateParams,
        slots={"image": ("prompt_image",), **_BESIDE},
        defaults={"model": "gen4.5", "ratio": AUTO, "duration": 5},
    ),
    Operation(
        "text_to_video",
        types.TextToVideoCreateParams,
        slots={"image": _IMAGES, **_BESIDE},
        defaults={"model": "gen4.5", "ratio": AUTO, "duration": 5},
    ),
    Operation(
        "video_to_video",
        types.VideoToVideoCreateParams,
        slots={
            "video": ("video_uri", "prompt_video", "reference_videos"),
            "image": _IMAGES,
            "audio": ("reference_audio",),
        },
        defaults={"model": "aleph2"},
    ),
    Operation(
        "text_to_image",
        types.TextToImageCreateParams,
        slots={"image": ("reference_images",)},
        defaults={"model": "gen4_image", "ratio": AUTO},
    ),
    Operation(
        "image_upscale",
        types.ImageUpscaleCreateParams,
        slots={"image": ("image_uri",)},
        defaults={"model": "magnific_precision_upscaler_v2", "scale_factor": 2},
    ),
    Operation(
        "video_upscale",
        types.VideoUpscaleCreateParams,
        slots={"video": ("video_uri",)},
        defaults={"model": "magnific_video_upscaler_creative", "resolution": "2k"},
    ),
    Operation(
        "video_to_hdr",
        types.VideoToHdrCreateParams,
        slots={"video": ("video_uri",)},
        defaults={"model": "ruby"},
    ),
    Operation(
        "video_to_audio",
        types.VideoToAudioCreateParams,
        slots={"video": ("video_uri",)},
        defaults={"model": "mirelo_sfx_2_0", "duration": AUTO},
    ),
    Operation(
        "character_performance",
        types.CharacterPerformanceCreateParams,
        slots={"image": ("character",), "video": ("reference", "character")},
        defaults={"model": "act_two"},
    ),
    Operation(
        "sound_effect",
        types.SoundEffectCreateParams,
        slots={"audio": ("reference_audios",)},
        defaults={"model": "eleven_text_to_sound_v2"},
    ),
    Operation(
        "text_to_speech",
        types.TextToSpeechCreateParams,
        slots={"audio": ("voice",)},
        defaults={"model": "eleven_multilingual_v2", "voice": _VOICE},
    ),
    Operation(
        "speech_to_speech",
        types.SpeechToSpeechCreateParams,
        slots={"audio": ("media",), "video": ("media",)},
        defaults={"model": "eleven_multilingual_sts_v2", "voice": _VOICE},
    ),
    Operation(
        "voice_isolation",
        types.VoiceIsolationCreateParams,
        slots={"audio": ("audio_uri",)},
        defaults={"model": "eleven_voice_isolation"},
    ),
    Operation(
        "voice_dubbing",
        types.VoiceDubbingCreateParams,
        slots={"audio": ("audio_uri",)},
        defaults={"model": "eleven_voice_dubbing"},
    ),
    Operation(
        "avatar_videos",
        types.AvatarVideoCreateParams,
        slots={"audio": ("speech",)},
        defaults={"model": "gwm1_avatars"},
    ),
    Operation(
        "generate/video",
        generate.VideoCreateParams,
        slots={
            "image": ("input.reference_images",),
            "video": ("input.reference_videos",),
            "audio": ("input.reference_audio",),
        },
    ),
    Operation("generate/image", generate.ImageCreateParams, slots={"image": ("input.reference_images",)}),
    Operation(
        "generate/audio",
        generate.AudioCreateParams,
        slots={"audio": ("input.reference_audios", "input.voice")},
    ),
    Operation(
        "recipes/ad_localization",
        types.RecipeAdLocalizationParams,
        slots={"image": ("reference_image",)},
        defaults=_RECIPE,
    ),
    Operation(
        "recipes/marketing_stock_image",
        types.RecipeMarketingStockImageParams,
        slots={"image": ("reference_image",)},
        defaults=_RECIPE,
    ),
    Operation(
        "recipes/multi_shot_video",
        types.RecipeMultiShotVideoParams,
        slots={"image": ("first_frame",)},
        defaults=_RECIPE,
    ),
    Operation(
        "recipes/product_ad",
        types.RecipeProductAdParams,
        slots={"image": ("product_images",)},
        defaults=_RECIPE,
    ),
    Operation(
        "recipes/product_campaign_image",
        types.RecipeProductCampaignImageParams,
        slots={"image": ("image",)},
        defaults=_RECIPE,
    ),
    Operation(
        "recipes/product_swap",
        types.RecipeProductSwapParams,
        slots={"image": ("new_product_images", "original_product_image"), "video": ("reference_video",)},
        defaults=_RECIPE,
    ),
    Operation(
        "recipes/product_ugc",
        types.RecipeProductUgcParams,
        slots={"image": ("product_image", "character_image")},
        defaults=_RECIPE,
    ),
    Operation(
        f"workflows/{_FREE}",
        types.WorkflowRunParams,
        slots=dict.fromkeys(("image", "video", "audio"), ("node_outputs",)),
        poll=INVOCATIONS,
    ),
)

OPERATIONS: Mapping[str, Operation] = MappingProxyType({row.name: row for row in _ROWS})
"""Every operation that is served, by name; `{id}` in one stands for the id of something at Runway."""

DEFAULT_OPERATION: Mapping[str, str] = MappingProxyType(
    {"image": "image_to_video", "video": "video_to_video"}
)
"""What a dropped file asks for when its sidecar names no operation, by the file's kind."""


def find(name: str) -> Operation | None:
    """The operation of that name, `workflows/8f2c...` included; None for one that is not served."""
    if _FREE in name:
        return None
    family, _, given = name.rpartition("/")
    row = OPERATIONS.get(f"{family}/{_FREE}")
    if row is not None and _ID.fullmatch(given):
        return replace(row, name=name, published=row.name)
    return OPERATIONS.get(name)
