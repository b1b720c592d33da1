"""A gateway that imports the heavy packages, and waits for a byte on its standard input before it serves.

``modelops up`` keeps one: when the gateway is killed, the spare one serves in a second instead of five. It begins with
one, too, that imports while the project is opened, and serves as soon as it is told to: what it has not imported by
then, somebody answers beside. It ends without a byte, and knows nothing of the project before.
"""

import select
import sys

from modelops_pipelines.gateway import server


def main() -> None:
    """Prepare, wait, and serve."""
    server.preload(is_told)
    if sys.stdin.buffer.read(1):
        server.main()


def is_told() -> bool:
    """Return whether there is a byte on the standard input, or its end."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


if __name__ == "__main__":
    main()
