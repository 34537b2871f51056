"""What nobody may read in a text: the key, wherever it stands and however it looks, and signed addresses.

Whoever takes a key into use conceals it here first. From then on it is masked in every line of the log and in
everything that is quoted from Runway's answers, for as long as the process lives.
"""

import re

SHORTEST = 8
"""Characters of a key that is known by its value; to mask a shorter one would make holes in common words."""

_LOOKS_SECRET = re.compile(r"key_[0-9A-Za-z_-]{16,}|(?<=[?&])[^=\s&]+=[^\s&\"']+|Bearer \S+")
"""Keys as Runway gives them out, the query of an address, and a header with a key of any form."""

_concealed: dict[str, None] = {}


def conceal(secret: str) -> None:
    """Mask this key from now on, also when it does not look like one."""
    if len(secret) >= SHORTEST:
        _concealed[secret] = None


def masked(text: str) -> str:
    """The text with `***` in place of whatever is secret in it."""
    for secret in tuple(_concealed):  # another thread may be adding one
        text = text.replace(secret, "***")
    return _LOOKS_SECRET.sub("***", text)
