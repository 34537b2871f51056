"""A dropped picture with its sidecar becomes, byte for byte, what the official SDK's client would send.

Each example says twice what is wanted: once as a person writes it into a sidecar, once as a programmer
calls the SDK. Both go to the same kind of server, uploads included, and what arrives is compared.
"""

import asyncio
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import runwayml
from PIL import Image

from runway_watch import drops
from runway_watch.api import Api, Courier
from runway_watch.job import Done, Job
from runway_watch.spool import Spool
from runway_watch.stages.admit import admit
from runway_watch.stages.desk import Candidate
from runway_watch.stages.submit import submit
from runway_watch.stages.upload import parcels, upload
from tests.samples import desk, sight
from tests.test_api_loopback import KEY, Seen, loopback, raw, run
from tests.test_api_wire import FIELDS, TASK, essence, parts

VIDEO, IMAGE = "image_to_video", "text_to_image"


@dataclass(frozen=True)
class Example:
    """One wish, told twice. `uploads` are the files below the inbox, in the order they are mentioned."""

    operation: str
    sidecar: str
    sdk: Mapping[str, Any]
    drop: str | None = "cat.png"
    beside: tuple[str, ...] = ()
    folder: str = ""
    uploads: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        inbox = f"{self.folder}/{self.drop}".removeprefix("/")
        object.__setattr__(self, "uploads", (*([inbox] if self.drop else []), *self.beside))


def video(text: str, *, beside: tuple[str, ...] = (), drop: str = "cat.png", **sdk: Any) -> Example:
    wanted = {"prompt_image": f"runway://{drop}", "duration": 5, **sdk}
    return Example(VIDEO, text, wanted, drop=drop, beside=beside)


def image(text: str, *, beside: tuple[str, ...] = (), drop: str | None = "cat.png", **sdk: Any) -> Example:
    wish = f'{text}\n[job]\noperation = "{IMAGE}"\n'
    return Example(IMAGE, wish, sdk, drop=drop, beside=beside)


CAT = "runway://cat.png"
EXAMPLES = {
    "a prompt alone": video(
        'prompt_text = "The scene comes to life"',
        model="gen4.5",
        prompt_text="The scene comes to life",
        ratio="1280:720",
    ),
    "gen4.5 with everything": video(
        """
        model = "gen4.5"
        prompt_text = "Slow dolly in"
        ratio = "1584:672"
        duration = 10
        seed = 4294967295
        output_format = "prores"
        prores_profile = "422 HQ"
        [content_moderation]
        public_figure_threshold = "low"
        """,
        model="gen4.5",
        prompt_text="Slow dolly in",
        ratio="1584:672",
        duration=10,
        seed=4294967295,
        output_format="prores",
        prores_profile="422 HQ",
        content_moderation={"public_figure_threshold": "low"},
    ),
    "a seed of zero": video(
        'prompt_text = "x"\nseed = 0', model="gen4.5", prompt_text="x", ratio="1280:720", seed=0
    ),
    "emoji, umlauts, quotes and line ends": video(
        'prompt_text = """Löwe \\"brüllt\\" \U0001f981\U0001f468\u200d\U0001f469\u200d\U0001f467\n'
        '\\ttab \\\\ and 日本語"""',
        model="gen4.5",
        prompt_text='Löwe "brüllt" \U0001f981\U0001f468\u200d\U0001f469\u200d\U0001f467\n\ttab \\ and 日本語',
        ratio="1280:720",
    ),
    "the picture placed by hand as first": video(
        'prompt_text = "x"\nprompt_image = [{uri = "file:cat.png", position = "first"}]',
        model="gen4.5",
        prompt_text="x",
        ratio="1280:720",
        prompt_image=[{"uri": CAT, "position": "first"}],
    ),
    "the picture placed by hand as text": video(
        'prompt_text = "x"\nprompt_image = "file:cat.png"',
        model="gen4.5",
        prompt_text="x",
        ratio="1280:720",
    ),
    "a name with spaces and brackets": video(
        'prompt_text = "x"', drop="my cat (2).png", model="gen4.5", prompt_text="x", ratio="1280:720"
    ),
    "a jpeg": video('prompt_text = "x"', drop="cat.jpg", model="gen4.5", prompt_text="x", ratio="1280:720"),
    "gen4_turbo needs no prompt": video('model = "gen4_turbo"', model="gen4_turbo", ratio="1280:720"),
    "gen4_turbo with moderation": video(
        'model = "gen4_turbo"\nratio = "720:1280"\nduration = 10\n'
        '[content_moderation]\npublic_figure_threshold = "auto"',
        model="gen4_turbo",
        ratio="720:1280",
        duration=10,
        content_moderation={"public_figure_threshold": "auto"},
    ),
    "veo3.1 from the first frame to the last": video(
        """
        model = "veo3.1"
        prompt_text = "x"
        negative_prompt = "no rain"
        audio = false
        duration = 8
        ratio = "1920:1080"
        seed = 7
        [[prompt_image]]
        uri = "file:end.png"
        position = "last"
        """,
        beside=("end.png",),
        model="veo3.1",
        prompt_text="x",
        negative_prompt="no rain",
        audio=False,
        duration=8,
        ratio="1920:1080",
        seed=7,
        prompt_image=[{"uri": CAT, "position": "first"}, {"uri": "runway://end.png", "position": "last"}],
    ),
    "veo3.1_fast with the ratio found": video(
        'model = "veo3.1_fast"\nratio = "auto"', model="veo3.1_fast", ratio="1280:720", duration=4
    ),
    "kling3.0_pro in several shots": video(
        """
        model = "kling3.0_pro"
        prompt_text = "x"
        cfg_scale = 0.5
        audio = true
        [provider_settings]
        shot_type = "customize"
        [[provider_settings.multi_prompt]]
        duration = 2
        prompt = "she wakes"
        [[provider_settings.multi_prompt]]
        duration = 3
        prompt = "she leaves"
        """,
        model="kling3.0_pro",
        prompt_text="x",
        cfg_scale=0.5,
        audio=True,
        provider_settings={
            "shot_type": "customize",
            "multi_prompt": [
                {"duration": 2, "prompt": "she wakes"},
                {"duration": 3, "prompt": "she leaves"},
            ],
        },
    ),
    "kling2.5_turbo_pro with a whole cfg_scale": video(
        'model = "kling2.5_turbo_pro"\nprompt_text = "x"\ncfg_scale = 1\nduration = 10',
        model="kling2.5_turbo_pro",
        prompt_text="x",
        cfg_scale=1,
        duration=10,
    ),
    "klingO3_pro with references": video(
        """
        model = "klingO3_pro"
        prompt_text = "x"
        [[references]]
        uri = "file:_refs/style.jpg"
        [[references]]
        uri = "file:_refs/end.png"
        position = "last"
        """,
        beside=("_refs/style.jpg", "_refs/end.png"),
        model="klingO3_pro",
        prompt_text="x",
        references=[{"uri": "runway://style.jpg"}, {"uri": "runway://end.png", "position": "last"}],
    ),
    "seedance2 of its own length": video(
        'model = "seedance2"\nprompt_text = "x"\nduration = "auto"\naudio = true\nseed = 1',
        model="seedance2",
        prompt_text="x",
        duration="auto",
        audio=True,
        seed=1,
    ),
    "seedance2_5 as a draft": video(
        'model = "seedance2_5"\nprompt_text = "x"\ndraft = true\noutput_format = "mov"\nratio = "1280:720"',
        model="seedance2_5",
        prompt_text="x",
        draft=True,
        output_format="mov",
        ratio="1280:720",
    ),
    "hailuo3": video(
        'model = "hailuo3"\nprompt_text = "x"\nresolution = "2k"\nratio = "16:9"',
        model="hailuo3",
        prompt_text="x",
        resolution="2k",
        ratio="16:9",
    ),
    "h3_max": video(
        'model = "h3_max"\nprompt_text = "x"\nprompt_expansion_mode = "quality"\nresolution = "768p"',
        model="h3_max",
        prompt_text="x",
        prompt_expansion_mode="quality",
        resolution="768p",
    ),
    "wan3": video(
        'model = "wan3"\nprompt_text = "x"\naudio = false', model="wan3", prompt_text="x", audio=False
    ),
    "grok_imagine_1_5": video(
        'model = "grok_imagine_1_5"\nresolution = "720p"', model="grok_imagine_1_5", resolution="720p"
    ),
    "words alone": image(
        'prompt_text = "A lighthouse"',
        drop=None,
        model="gen4_image",
        prompt_text="A lighthouse",
        ratio="1280:720",
    ),
    "the dropped picture as a reference": image(
        'prompt_text = "@image in snow"',
        model="gen4_image",
        prompt_text="@image in snow",
        ratio="1280:720",
        reference_images=[{"uri": CAT, "tag": "image"}],
    ),
    "the dropped picture with a style beside it": image(
        """
        model = "gen4_image"
        prompt_text = "@image painted like @style"
        ratio = "1920:1080"
        seed = 42
        [[reference_images]]
        uri = "file:_refs/style.jpg"
        tag = "style"
        [content_moderation]
        public_figure_threshold = "low"
        """,
        beside=("_refs/style.jpg",),
        model="gen4_image",
        prompt_text="@image painted like @style",
        ratio="1920:1080",
        seed=42,
        reference_images=[{"uri": CAT, "tag": "image"}, {"uri": "runway://style.jpg", "tag": "style"}],
        content_moderation={"public_figure_threshold": "low"},
    ),
    "the dropped picture under another tag": Example(
        IMAGE,
        f'prompt_text = "@hero runs"\n[job]\noperation = "{IMAGE}"\ntag = "hero"',
        {
            "model": "gen4_image",
            "prompt_text": "@hero runs",
            "ratio": "1280:720",
            "reference_images": [{"uri": CAT, "tag": "hero"}],
        },
    ),
    "the dropped picture placed by hand": image(
        'prompt_text = "@me"\nreference_images = [{uri = "file:cat.png", tag = "me1"}]',
        model="gen4_image",
        prompt_text="@me",
        ratio="1280:720",
        reference_images=[{"uri": CAT, "tag": "me1"}],
    ),
    "references without a dropped picture": image(
        'prompt_text = "x"\nreference_images = [{uri = "file:_refs/a.png"}, {uri = "file:_refs/b.jpg"}]',
        drop=None,
        beside=("_refs/a.png", "_refs/b.jpg"),
        model="gen4_image",
        prompt_text="x",
        ratio="1280:720",
        reference_images=[{"uri": "runway://a.png"}, {"uri": "runway://b.jpg"}],
    ),
    "a reference that lies at Runway already": image(
        'prompt_text = "x"\nreference_images = [{uri = "runway://uploads/9", tag = "old"}]',
        drop=None,
        model="gen4_image",
        prompt_text="x",
        ratio="1280:720",
        reference_images=[{"uri": "runway://uploads/9", "tag": "old"}],
    ),
    "one file referred to twice is uploaded once": image(
        'prompt_text = "x"\nreference_images = [{uri = "file:_refs/a.png", tag = "one"}, '
        '{uri = "file:_refs/a.png", tag = "two"}]',
        drop=None,
        beside=("_refs/a.png",),
        model="gen4_image",
        prompt_text="x",
        ratio="1280:720",
        reference_images=[{"uri": "runway://a.png", "tag": "one"}, {"uri": "runway://a.png", "tag": "two"}],
    ),
    "gen4_image_turbo": image(
        'model = "gen4_image_turbo"\nprompt_text = "@image"\nratio = "1024:1024"',
        model="gen4_image_turbo",
        prompt_text="@image",
        ratio="1024:1024",
        reference_images=[{"uri": CAT, "tag": "image"}],
    ),
    "gpt_image_2 with everything": image(
        'model = "gpt_image_2"\nprompt_text = "x"\nratio = "auto"\nbackground = "transparent"\n'
        'output_count = 2\nquality = "high"',
        model="gpt_image_2",
        prompt_text="x",
        ratio="auto",
        background="transparent",
        output_count=2,
        quality="high",
        reference_images=[{"uri": CAT, "tag": "image"}],
    ),
    "muse_image knows no tags": image(
        'model = "muse_image"\nprompt_text = "x"\nratio = "1600:1600"\noutput_format = "webp"',
        model="muse_image",
        prompt_text="x",
        ratio="1600:1600",
        output_format="webp",
        reference_images=[{"uri": CAT}],
    ),
    "seedream5_pro with grounding": image(
        'model = "seedream5_pro"\nprompt_text = "x"\ngrounding = true\nratio = "2048:2048"',
        drop=None,
        model="seedream5_pro",
        prompt_text="x",
        grounding=True,
        ratio="2048:2048",
    ),
    "recraft_v4_1_flash with colours": image(
        'model = "recraft_v4_1_flash"\nprompt_text = "x"\nratio = "1024:1024"\nbackground_color = "#ffffff"\n'
        'colors = ["#102030", "#a0b0c0"]\nseed = 5\noutput_format = "webp"',
        drop=None,
        model="recraft_v4_1_flash",
        prompt_text="x",
        ratio="1024:1024",
        background_color="#ffffff",
        colors=["#102030", "#a0b0c0"],
        seed=5,
        output_format="webp",
    ),
    "ideogram_4_5 with a mask": image(
        'model = "ideogram_4_5"\nprompt_text = "x"\nratio = "1024:1024"\nprecise_edit = true\n'
        'mask_uri = "file:_refs/mask.png"',
        beside=("_refs/mask.png",),
        model="ideogram_4_5",
        prompt_text="x",
        ratio="1024:1024",
        precise_edit=True,
        mask_uri="runway://mask.png",
        reference_images=[{"uri": CAT}],
    ),
    "gemini_2.5_flash": image(
        'model = "gemini_2.5_flash"\nprompt_text = "x"\nratio = "1344:768"',
        model="gemini_2.5_flash",
        prompt_text="x",
        ratio="1344:768",
        reference_images=[{"uri": CAT, "tag": "image"}],
    ),
    "a drop and a reference in a subfolder": Example(
        IMAGE,
        f"""
        prompt_text = "@image like @style"
        reference_images = [{{uri = "file:_refs/style.jpg", tag = "style"}}]
        [job]
        operation = "{IMAGE}"
        """,
        {
            "model": "gen4_image",
            "prompt_text": "@image like @style",
            "ratio": "1280:720",
            "reference_images": [{"uri": CAT, "tag": "image"}, {"uri": "runway://style.jpg", "tag": "style"}],
        },
        folder="holiday/monday",
        beside=("holiday/monday/_refs/style.jpg",),
    ),
}


async def like_runway(seen: Seen, writer: asyncio.StreamWriter) -> None:
    """Answers as Runway does; the URI of an upload tells the name that its slot was asked for."""
    if seen.path == "/storage":
        answer = raw(204, b"", "Connection: close")
    elif seen.path == "/v1/uploads":
        name = json.loads(seen.body)["filename"]
        url = f"http://{seen.headers['host']}/storage"
        slot = {"uploadUrl": url, "fields": FIELDS, "runwayUri": f"runway://{name}"}
        answer = raw(200, json.dumps(slot).encode(), "Content-Type: application/json", "Connection: close")
    else:
        task = {"id": TASK, "status": "PENDING", "createdAt": "2026-11-20T10:00:00Z"}
        answer = raw(200, json.dumps(task).encode(), "Content-Type: application/json", "Connection: close")
    writer.write(answer)
    await writer.drain()


def drop(example: Example, root: Path) -> Job:
    """The files of an example in an inbox, and the job that admission makes of them."""
    spool = Spool(root)
    spool.make()
    folder = spool.inbox / example.folder
    folder.mkdir(parents=True, exist_ok=True)
    for n, path in enumerate(example.uploads):
        (spool.inbox / path).parent.mkdir(exist_ok=True)
        picture = Image.effect_noise((640, 360), 30 + 10 * n).convert("RGB")
        picture.save(spool.inbox / path)
    stem = Path(example.drop).stem if example.drop else "idea"
    (folder / f"{stem}.prompt.toml").write_text(example.sidecar, "utf-8")
    names = [path.name for path in folder.iterdir() if path.is_file()]
    (group,) = [g for g in drops.pair(names) if g.sidecar]
    sights = {name: sight(folder / name) for name in group.files}
    admitted = admit(Candidate(example.folder, group, sights), desk=desk(spool, now=0.0), job_id="1")
    assert isinstance(admitted, tuple), admitted
    assert admitted[0].verdict is None, admitted[0].verdict
    return admitted[0]


def from_us(example: Example, root: Path) -> list[Seen]:
    job, spool = drop(example, root), Spool(root)

    async def work() -> list[Seen]:
        async with (
            loopback(like_runway) as server,
            Api(base_url=server.url, key=KEY) as api,
            Courier(allow_http=True) as courier,
        ):
            uris = {}
            for parcel in parcels(job, spool):
                brought = await upload(parcel, api=api, courier=courier, hands=spool.hands)
                assert isinstance(brought, Done), brought
                uris[parcel.written] = brought.facts["uri"]
            sent = await submit(job, uris, api=api, tries=0)
            assert isinstance(sent, Done), sent
            assert sent.facts["task_id"] == TASK
            return server.seen

    return run(work())


def from_the_sdk(example: Example, root: Path) -> list[Seen]:
    def call(url: str) -> None:
        with runwayml.RunwayML(api_key=KEY, base_url=url, max_retries=0) as client:
            for path in example.uploads:
                client.uploads.create_ephemeral(file=root / "inbox" / path)
            resource: Any = client.image_to_video if example.operation == VIDEO else client.text_to_image
            assert resource.create(**example.sdk).id == TASK

    async def work() -> list[Seen]:
        async with loopback(like_runway) as server:
            await asyncio.to_thread(call, server.url)
            return server.seen

    return run(work())


def test_the_table_is_rich() -> None:
    models = {(e.operation, e.sdk["model"]) for e in EXAMPLES.values()}
    assert len(EXAMPLES) >= 25
    assert len({model for operation, model in models if operation == VIDEO}) >= 8
    assert len({model for operation, model in models if operation == IMAGE}) >= 8
    assert all(tomllib.loads(e.sidecar) for e in EXAMPLES.values())


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_drop_is_sent_as_the_sdks_client_sends_it(name: str, tmp_path: Path) -> None:
    example = EXAMPLES[name]
    mine, theirs = from_us(example, tmp_path), from_the_sdk(example, tmp_path)
    assert [s.path for s in mine] == [s.path for s in theirs]
    assert [s.path for s in mine] == ["/v1/uploads", "/storage"] * len(example.uploads) + [
        f"/v1/{example.operation}"
    ]
    for ours, sdks in zip(mine, theirs, strict=True):
        if ours.path == "/storage":
            _assert_same_form(ours, sdks)
        else:
            assert essence(ours) == essence(sdks)
            assert sorted(ours.body) == sorted(sdks.body)  # byte for byte, but for the order of keys
    for path, form in zip(example.uploads, mine[1::2], strict=False):
        assert parts(form)[-1][3] == (tmp_path / "inbox" / path).read_bytes()


def _assert_same_form(ours: Seen, sdks: Seen) -> None:
    assert ours.method == sdks.method == "POST"
    assert parts(ours) == parts(sdks)
    assert [name for name, *_ in parts(ours)] == [*FIELDS, "file"]
    for form in (ours, sdks):
        assert "authorization" not in form.headers
        assert "x-runway-version" not in form.headers
        assert form.headers["content-type"].startswith("multipart/form-data; boundary=")
