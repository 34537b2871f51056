"""`python -m runway_watch`: the same as the command `runway-watch`."""

from runway_watch.cli import main

if __name__ == "__main__":
    main()
