"""How Runway takes films and sounds to be coded, by extension (docs, assets/inputs).

What it lists as accepted but discouraged - MJPEG in .mov, MPEG-2 in .mkv - passes: it works, and whoever has
such a film may have no other. Codecs are called as FFmpeg calls them.
"""

from collections.abc import Mapping

from runway_watch.job import MediaFacts

CODECS: Mapping[str, Mapping[str, str]] = {
    ".mp4": {"h264": "H.264", "hevc": "H.265", "av1": "AV1"},
    ".mov": {"h264": "H.264", "hevc": "H.265", "prores": "ProRes", "mjpeg": ""},
    ".mkv": {"h264": "H.264", "hevc": "H.265", "vp8": "VP8", "vp9": "VP9", "av1": "AV1", "mpeg2video": ""},
    ".webm": {"vp8": "VP8", "vp9": "VP9", "av1": "AV1"},
    ".3gp": {"h264": "H.264"},
    ".ogv": {"theora": "Theora"},
    ".mp3": {"mp3": "MP3"},
    ".wav": {"pcm": "PCM"},
    ".flac": {"flac": "FLAC"},
    ".m4a": {"aac": "AAC", "alac": "ALAC"},
    ".aac": {"aac": "AAC"},
}
"""What is taken, with the name that people know it by; "" for what is better not begun with."""


def why_not(facts: MediaFacts) -> str:
    """What is wrong with how a film or a sound is coded, as the end of a sentence; "" for nothing."""
    taken = CODECS.get(facts.extension)
    codec = "pcm" if facts.codec.startswith("pcm_") else facts.codec
    if not codec or taken is None or codec in taken:
        return ""
    good = " or ".join(name for name in taken.values() if name)
    return f"is coded as {facts.codec}, and Runway takes a {facts.extension} file with {good}"
