"""The models of an operation, each with the type that its parameters are judged by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runway_watch.catalogue import published, shapes
from runway_watch.catalogue.operations import Operation
from runway_watch.catalogue.published import Spec
from runway_watch.catalogue.refining import shape_of

NO_MODEL = "(no model)"
"""What stands for the model where an operation has none."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A model of an operation, or one shape of an operation without models.

    Args:
        row: the operation.
        model: its name; `(no model)`, with what tells two shapes apart, where there are none.
        shape: the SDK's type for its parameters.
        given: the parameters by which it is chosen.
    """

    row: Operation
    model: str
    shape: Any
    given: Mapping[str, Any]

    @property
    def entry(self) -> Spec | None:
        """What is published about it."""
        return published.entry(self.row.listed, self.given)

    @property
    def is_default(self) -> bool:
        """Whether a sidecar need not name it."""
        return "model" not in self.given or self.given["model"] == self.row.defaults.get("model")


def sheets(row: Operation) -> list[Sheet]:
    """Every model of an operation, the default one first; every shape of one without models."""
    models = shapes.models(row.params)
    if not models:
        arms = shapes.branches(row.params)
        return [Sheet(row, _called(arm, arms), arm, constants(arm)) for arm in arms]
    found = [Sheet(row, name, shape_of(row, {"model": name}), {"model": name}) for name in models]
    return sorted(found, key=lambda sheet: (not sheet.is_default, sheet.model))


def _called(arm: Any, arms: Sequence[Any]) -> str:
    apart = [f"{key}={value}" for key, value in constants(arm).items()] if len(arms) > 1 else []
    return " ".join([NO_MODEL, *apart])


def constants(arm: Any) -> dict[str, Any]:
    """The keys of a table that can have one value only: by these several shapes are told apart."""
    found = {field.name: only(field) for field in shapes.fields(arm).values()}
    return {name: values[0] for name, values in found.items() if values}


def only(field: shapes.Field) -> Sequence[Any]:
    """The value of a key that can have no other; nothing for a key that can."""
    values = shapes.literals(field.hint)
    return values if len(values) == 1 and len(shapes.branches(field.hint)) == 1 else ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What is published about a value: its own entry, and the media that a text in it stands for.

    `media` is as in `image|video`, "" for media of a kind that is not published, None for no media.
    """

    spec: Spec
    media: str | None = None

    @classmethod
    def of(cls, sheet: Sheet) -> "Seen":
        """All that is published about a model's parameters."""
        return cls(published.limits(sheet.row.listed, sheet.given) or {})

    def member(self, arm: Any, name: str) -> "Seen":
        """The same of one key of a table that has this form."""
        spec = published.member(self.spec, name, {**dict.fromkeys(shapes.fields(arm)), **constants(arm)})
        if spec is not None:
            return Seen(spec, spec.get("media"))
        return Seen({}, "" if published.is_media_name(name) else None)

    def element(self, key: str) -> "Seen":
        """The same of an entry of a list (`items`), or of a table with any keys (`values`)."""
        return Seen(self.spec.get(key, {}), self.media)
