"""Whatever a sidecar holds, the answer is a request or a refusal: nothing else gets out."""

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runway_watch.catalogue import OPERATIONS, awaits_media, references, resolve, shapes, wire
from runway_watch.errors import Refusal
from runway_watch.job import MediaFacts

CAT = MediaFacts("image", ".png", "image/png", 10_000, 1600, 1200)
MODELS = sorted({model for row in OPERATIONS.values() for model in shapes.models(row.params)})
KEYS = sorted(
    {
        key
        for row in OPERATIONS.values()
        for shape in shapes.branches(row.params)
        for key in shapes.fields(shape)
    }
)

texts = st.one_of(
    st.sampled_from(
        ["auto", "1280:720", "16:9", "0:0", "720p", "2k", "file:cat.png", "https://a.b/c", "@image"]
    ),
    st.text(max_size=8),
)
numbers = st.one_of(st.integers(), st.floats(), st.integers(0, 12))
scalars = st.one_of(texts, numbers, st.booleans(), st.dates(), st.times())
inner_keys = st.sampled_from(["uri", "tag", "position", "type", "multi_prompt", "duration", "promptText"])
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(inner_keys, texts), inner, max_size=4)
    ),
    max_leaves=8,
)
models = st.one_of(st.sampled_from(MODELS), st.sampled_from(MODELS), values)
# Few keys beside a prompt, so that a good part of the sidecars makes sense.
sidecars = st.builds(
    lambda few, model: {"prompt_text": "a cat", **few, **model},
    st.dictionaries(st.sampled_from(KEYS), values, max_size=3),
    st.fixed_dictionaries({}, optional={"model": models}),
)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(OPERATIONS)),
    sidecars,
    st.sampled_from([None, "cat.png", "clip.mp4"]),
    st.booleans(),
)
@example("image_to_video", {"model": "kling_4", "references": [dt.date(2026, 1, 1)]}, None, False)
def test_nonsense_is_refused_and_sense_can_be_sent(
    operation: str, params: dict[str, Any], dropped: str | None, strict: bool
) -> None:
    awaits_media(operation, params)
    references(params)
    try:
        found = resolve(operation, params, dropped=dropped, media={"file:cat.png": CAT}, strict=strict)
    except Refusal as refusal:
        assert refusal.problems
        assert all(len(problem) < 3000 for problem in refusal.problems)
        return
    uris = dict.fromkeys(references(found.params), "runway://uploads/a")
    json.dumps(wire(operation, found.params, uris), allow_nan=False)
    again = resolve(operation, found.params, dropped=dropped, media={"file:cat.png": CAT}, strict=strict)
    assert again == found


@pytest.mark.parametrize("operation", ["image_to_video", "text_to_image"])
def test_an_empty_sidecar_is_told_what_it_lacks(operation: str) -> None:
    with pytest.raises(Refusal) as caught:
        resolve(operation, {}, dropped="cat.png", media={"file:cat.png": CAT})
    assert caught.value.problems == ("`prompt_text`: missing",)
