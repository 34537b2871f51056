"""What a drop asks for: its contents and its parameters, and nothing else."""

from runway_watch.wish import wish_of

PARAMS = {"model": "gen4.5", "prompt_image": "file:cat.png", "prompt_text": "a", "duration": 5}
CONTENTS = {"file:cat.png": "a" * 64}


def test_the_name_of_a_file_and_the_order_of_keys_do_not_matter() -> None:
    again = dict(reversed((PARAMS | {"prompt_image": "file:dog (2).png"}).items()))
    renamed = {"file:dog (2).png": "a" * 64}
    assert wish_of("image_to_video", PARAMS, CONTENTS) == wish_of("image_to_video", again, renamed)


def test_contents_parameters_and_operation_matter_at_every_depth() -> None:
    nested = {"model": "m", "references": [{"uri": "file:a.png", "tag": "x"}]}
    wishes = {
        wish_of("image_to_video", PARAMS, CONTENTS),
        wish_of("image_to_video", PARAMS | {"duration": 6}, CONTENTS),
        wish_of("image_to_video", PARAMS | {"seed": 1}, CONTENTS),
        wish_of("image_to_video", PARAMS, {"file:cat.png": "b" * 64}),
        wish_of("text_to_image", PARAMS, CONTENTS),
        wish_of("text_to_image", nested, {"file:a.png": "a" * 64}),
        wish_of("text_to_image", nested, {"file:a.png": "b" * 64}),
        wish_of(
            "text_to_image", nested | {"references": [{"uri": "file:a.png", "tag": "y"}]}, {"file:a.png": "a"}
        ),
    }
    assert len(wishes) == 8


def test_a_prompt_that_reads_like_a_file_is_a_prompt() -> None:
    said = {"prompt_text": "file:other.png"}
    assert wish_of("t", said, {}) == wish_of("t", said, {"file:cat.png": "a" * 64})
