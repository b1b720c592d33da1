"""A gateway that has imported the heavy packages and waits for a byte on its standard input before it serves.

``modelops up`` keeps one: when the gateway is killed, the spare one serves in a second instead of five. It ends without
a byte, and knows nothing of the project before.
"""

import sys

from modelops_pipelines.gateway import server


def main() -> None:
    """Prepare, wait, and serve."""
    server.preload()
    if sys.stdin.buffer.read(1):
        server.main()


if __name__ == "__main__":
    main()
