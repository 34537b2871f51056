"""The uploads: a slot works once, a URI lives for a day, and the same bytes lie on disk once."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from runway_watch.simulator.media import kind_of

SLOT_SECONDS = 3600.0  # Runway does not say how long a slot may wait; an hour is common for presigned posts


@dataclass
class Slot:
    """A presigned form that was given out: its fields must come back exactly."""

    token: str
    filename: str
    uri: str
    fields: dict[str, str]
    opened_at: float
    spent: bool = False


@dataclass(frozen=True)
class Upload:
    """A file that arrived whole. `path` is kept for images only: they are what films are made of."""

    uri: str
    filename: str
    kind: str
    sha256: str
    size: int
    at: float
    path: Path | None = None
    width: int | None = None
    height: int | None = None


@dataclass
class Library:
    """Slots and uploads of one account."""

    now: Callable[[], float]
    uri_lifetime: float
    slots: dict[str, Slot] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)

    def open_slot(self, filename: str) -> Slot:
        """A fresh slot; nothing can be read from its URI before the form has arrived."""
        token = secrets.token_hex(16)
        fields = {
            "key": f"ephemeral/{token}/{secrets.token_hex(4)}",
            "policy": secrets.token_urlsafe(96),
            "x-amz-algorithm": "AWS4-HMAC-SHA256",
            "x-amz-credential": f"SIMULATOR/{secrets.token_hex(4)}/us-east-1/s3/aws4_request",
            "x-amz-signature": secrets.token_hex(32),
        }
        slot = Slot(token, filename, f"runway://{secrets.token_urlsafe(120)}", fields, self.now())
        self.slots[token] = slot
        return slot

    def take_slot(self, token: str) -> Slot | None:
        """The slot, once: whatever comes of this try, the next one needs a new slot."""
        slot = self.slots.get(token)
        if slot is None or slot.spent or self.now() - slot.opened_at > SLOT_SECONDS:
            return None
        slot.spent = True
        return slot

    def add(
        self, slot: Slot, *, sha256: str, size: int, path: Path | None, sides: tuple[int, int] | None
    ) -> Upload:
        """Record a file that arrived whole; from now on its URI works."""
        width, height = sides or (None, None)
        kind = kind_of(slot.filename) or ""
        upload = Upload(slot.uri, slot.filename, kind, sha256, size, self.now(), path, width, height)
        self.uploads[slot.uri] = upload
        return upload

    def find(self, uri: str) -> Upload | None:
        """The upload behind a URI, unless it has expired."""
        upload = self.uploads.get(uri)
        return upload if upload and self.now() - upload.at < self.uri_lifetime else None
