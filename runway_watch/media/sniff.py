"""Tells by the first bytes what a file is; it never trusts a name.

It knows everything that may be dropped and everything that may come out of Runway. What it does not
know is `None`: nobody has to decide about it again.
"""

from collections.abc import Callable

from runway_watch.media.vector import is_svg

Sniffed = tuple[str, str, str]
"""Kind (image, video, audio, archive), extension with its dot, MIME type."""

HEAD = 4096
"""Bytes from the start of a file that `sniff` wants to see."""

TYPES: dict[str, Sniffed] = {
    extension: (kind, extension, mime)
    for kind, extension, mime in (
        ("image", ".jpg", "image/jpeg"),
        ("image", ".png", "image/png"),
        ("image", ".webp", "image/webp"),
        ("image", ".gif", "image/gif"),
        ("image", ".svg", "image/svg+xml"),
        ("image", ".heic", "image/heic"),
        ("image", ".avif", "image/avif"),
        ("image", ".tif", "image/tiff"),
        ("image", ".bmp", "image/bmp"),
        ("video", ".mp4", "video/mp4"),
        ("video", ".mov", "video/quicktime"),
        ("video", ".3gp", "video/3gpp"),
        ("video", ".mkv", "video/x-matroska"),
        ("video", ".webm", "video/webm"),
        ("video", ".ogv", "video/ogg"),
        ("audio", ".mp3", "audio/mpeg"),
        ("audio", ".wav", "audio/wav"),
        ("audio", ".flac", "audio/flac"),
        ("audio", ".m4a", "audio/mp4"),
        ("audio", ".aac", "audio/aac"),
        ("audio", ".ogg", "audio/ogg"),
        ("archive", ".zip", "application/zip"),
    )
}
"""The MIME types that Runway lists for inputs (docs, assets/inputs), and those of its outputs and of what is
converted."""

ISO_FAMILY = frozenset({".mp4", ".mov", ".3gp"})
"""One container, three names; cameras and phones mix them up and every reader takes all three."""

_NAMES = {".jpeg": ".jpg", ".tiff": ".tif", ".heif": ".heic"}
"""Other names of the same."""

_HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"})
_STILL_BRANDS = frozenset({b"mif1", b"mif2", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_OTHER_BRANDS = frozenset({b"crx ", b"jxl ", b"jp2 ", b"jpx ", b"jpm "})
_QUICKTIME_STARTS = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})


def sniff(head: bytes) -> Sniffed | None:
    """What the file is, from its first `HEAD` bytes; None when that is unknown or unsafe."""
    for test in _TESTS:
        extension = test(head)
        if extension is not None:
            return TYPES.get(extension)
    return None


def extension_fits(named: str, sniffed: str) -> bool:
    """Whether a file may be called `named` when its bytes are `sniffed`; both with their dots."""
    name = _NAMES.get(named.lower(), named.lower())
    is_heif = named.lower() == ".heif" and sniffed == ".avif"  # the one is a kind of the other
    return name == sniffed or (name in ISO_FAMILY and sniffed in ISO_FAMILY) or is_heif


def _by_signature(head: bytes) -> str | None:
    for signature, extension in (
        (b"\xff\xd8\xff", ".jpg"),
        (b"\x89PNG\r\n\x1a\n", ".png"),
        (b"GIF87a", ".gif"),
        (b"GIF89a", ".gif"),
        (b"fLaC", ".flac"),
        (b"PK\x03\x04", ".zip"),
        (b"PK\x05\x06", ".zip"),
        (b"ID3", ".mp3"),
        (b"II*\x00", ".tif"),
        (b"MM\x00*", ".tif"),
        (b"II+\x00\x08\x00\x00\x00", ".tif"),
        (b"MM\x00+\x00\x08\x00\x00", ".tif"),
    ):
        if head.startswith(signature):
            return extension
    return None


def _riff(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ".webp"
    return ".wav" if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE" else None


def _iso(head: bytes) -> str | None:
    size, word = int.from_bytes(head[:4], "big"), head[4:8]
    if word in _QUICKTIME_STARTS and (size >= 8 or size == 1):
        return ".mov"  # QuickTime from before there was an ftyp box
    if word != b"ftyp" or size < 12 or len(head) < 12:
        return None
    others = {head[at : at + 4] for at in range(16, min(size, len(head) - 3, 256), 4)}
    return _by_brand(head[8:12], others)


def _by_brand(brand: bytes, others: set[bytes]) -> str | None:
    if brand in _AVIF_BRANDS or (brand in _STILL_BRANDS and others & _AVIF_BRANDS):
        return ".avif"
    if brand in _HEIC_BRANDS or (brand in _STILL_BRANDS and others & _HEIC_BRANDS):
        return ".heic"
    if brand in _STILL_BRANDS or brand in _OTHER_BRANDS:
        return ""  # known, and not for us
    if brand == b"qt  ":
        return ".mov"
    if brand in (b"M4A ", b"M4B ", b"M4P "):
        return ".m4a"
    return ".3gp" if brand[:3] in (b"3gp", b"3gg", b"3ge", b"3gs", b"3gr", b"3g2") else ".mp4"


def _bmp(head: bytes) -> str | None:
    """Two letters are no proof: the length of the header behind them is one of seven."""
    known = (12, 40, 52, 56, 64, 108, 124)
    return ".bmp" if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in known else None


def _ebml(head: bytes) -> str | None:
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    at = head.find(b"\x42\x82", 4, 128)  # the DocType element stands in the first few bytes
    doctype = head[at + 3 : at + 3 + (head[at + 2] & 0x7F)] if 0 < at < len(head) - 3 else b""
    return {b"webm": ".webm", b"matroska": ".mkv"}.get(doctype.rstrip(b"\x00"), "")


def _ogg(head: bytes) -> str | None:
    if not head.startswith(b"OggS\x00"):
        return None
    if b"\x80theora" in head:
        return ".ogv"
    voices = (b"OpusHead", b"\x01vorbis", b"\x7fFLAC", b"Speex   ")
    return ".ogg" if any(voice in head for voice in voices) else ""


def _svg(head: bytes) -> str | None:
    return ".svg" if is_svg(head) else None


def _aac(head: bytes) -> str | None:
    length = adts_length(head, 0)
    return ".aac" if length and _goes_on(head, length, adts_length) else None


def _mp3(head: bytes) -> str | None:
    length = mpeg_length(head, 0)
    return ".mp3" if length and _goes_on(head, length, mpeg_length) else None


def _goes_on(head: bytes, at: int, length: Callable[[bytes, int], int]) -> bool:
    """Two frames in a row are no accident; a frame that ends beyond the head has to be believed."""
    return at + 7 > len(head) or length(head, at) > 0


def adts_length(head: bytes, at: int) -> int:
    """Bytes of the ADTS frame at `at`, or 0 when there is none (ISO 13818-7, adts_fixed_header)."""
    frame = head[at : at + 7]
    if len(frame) < 7 or frame[0] != 0xFF or frame[1] & 0xF6 != 0xF0 or (frame[2] >> 2) & 15 > 12:
        return 0
    length = (frame[3] & 3) << 11 | frame[4] << 3 | frame[5] >> 5
    return length if length > 7 else 0


_RATES = ((11025, 12000, 8000), (0, 0, 0), (22050, 24000, 16000), (44100, 48000, 32000))
_KBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)


def mpeg_length(head: bytes, at: int) -> int:
    """Bytes of the MPEG layer III frame at `at`, or 0 when there is none (ISO 11172-3, 13818-3)."""
    frame = head[at : at + 4]
    if len(frame) < 4 or frame[0] != 0xFF or frame[1] & 0xE6 != 0xE2:
        return 0
    version, bits, rate = (frame[1] >> 3) & 3, frame[2] >> 4, (frame[2] >> 2) & 3
    if version == 1 or bits in (0, 15) or rate == 3:
        return 0
    table, factor = (_KBITS_1, 144_000) if version == 3 else (_KBITS_2, 72_000)
    return factor * table[bits] // _RATES[version][rate] + ((frame[2] >> 1) & 1)


_TESTS: tuple[Callable[[bytes], str | None], ...] = (
    _by_signature,
    _riff,
    _iso,
    _bmp,
    _ebml,
    _ogg,
    _svg,
    _aac,
    _mp3,
)
