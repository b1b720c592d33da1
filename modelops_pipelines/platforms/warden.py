"""A process that waits for the end of ``modelops up`` and then ends every process that ``up`` has started.

``up`` that is killed cannot do this itself. Its services end with it (the kernel sees to that), but not what they
started in turn. The standard input is a pipe whose other end only ``up`` holds.
"""

import sys

from modelops_pipelines.platforms.marked_processes import end_marked


def main() -> None:
    """Wait for the end of the pipe, then end the processes with the mark of the first argument."""
    sys.stdin.buffer.read()
    end_marked(sys.argv[1])


if __name__ == "__main__":
    main()
