"""What keeps a picture or a film from being used, besides damage."""


class Strange(Exception):
    """It is not damaged, and nothing that can be converted; it says why."""


class Heavy(Exception):
    """It would take more than it may; it says what."""
