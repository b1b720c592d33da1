"""The used share of the disk is what the system's own tool says."""

import os
from pathlib import Path

from modelops_pipelines.store.spool.backlog import disk_used


def test_the_disk_s_used_share_is_of_what_this_user_may_use(tmp_path: Path) -> None:
    share = os.popen(f"df --output=pcent {tmp_path} | tail -1").read().strip(" %\n")
    assert abs(disk_used(tmp_path) - int(share) / 100) < 0.02
