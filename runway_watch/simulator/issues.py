"""The entries of `issues[]` in a 400: one function, so that all carry code, path and message."""

from typing import Any

from runway_watch.simulator.schema import Json

Path = tuple[str | int, ...]


def issue(code: str, path: Path, message: str, **more: Any) -> Json:
    """One problem, in the shape of the API's answers."""
    return {"code": code, **more, "path": list(path), "message": message}


def utf16_units(text: str) -> int:
    """Runway counts text in UTF-16 code units: an emoji counts two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def received(value: object) -> str:
    """The JSON name of a value's type."""
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
