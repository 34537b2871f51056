"""Letters that forge what people read: they steer a terminal, end a line, or turn the writing round."""

import re

STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Text that cannot steer a terminal, and that can be written as UTF-8."""
    return STEERING.sub("�", text).encode("utf-8", "replace").decode()
