"""runway-watch: drop a picture and a small text file into a folder, find the film beside it."""

__version__ = "0.1.0"

USER_AGENT = f"runway-watch/{__version__}"
"""How we name ourselves to Runway and to its storage."""
