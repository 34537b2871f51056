"""runway-watch: drop a picture and a small text file into a folder, find the film beside it."""

__version__ = "0.1.0"
