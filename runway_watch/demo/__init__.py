"""`runway-watch demo`: the real daemon, real files, and a simulator instead of Runway."""

from runway_watch.demo.demo import demo

__all__ = ["demo"]
