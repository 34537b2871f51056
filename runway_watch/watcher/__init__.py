"""The only room that uses watchdog, which may say one thing: look there. The scan finds out what there is."""

from runway_watch.watcher.choice import Choice, choose, chosen
from runway_watch.watcher.ear import STOP_SECONDS
from runway_watch.watcher.watcher import Watcher

__all__ = ["STOP_SECONDS", "Choice", "Watcher", "choose", "chosen"]
