"""A segment is its writer's while that process lives."""

import signal
import subprocess
import sys
from pathlib import Path

from modelops_pipelines.store.spool.segments import Line, read_lines, sealed_segments
from modelops_pipelines.store.spool.waiting import pending_segments
from tests.support.paths import ROOT

HOLDING = """\
import sys, time
from pathlib import Path
from modelops_pipelines.store.spool.segments import SegmentWriter, encode
writer = SegmentWriter(Path(sys.argv[1]), "e", "labels", "w")
writer.append(encode({"n": 1}), 0.0)
print("written", flush=True)
time.sleep(600)
"""


def lines(folder: Path) -> list[Line]:
    return [line for segment in sealed_segments(folder, "e", "labels") for line in read_lines(segment)]


def test_a_segment_stays_its_writers_while_that_lives_and_is_sealed_when_it_died(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDING, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    assert ([], []) == (sealed_segments(tmp_path, "e", "labels"), pending_segments(tmp_path, "e"))
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert ["labels/w/000000000001"] == pending_segments(tmp_path, "e")
    assert [{"n": 1}] == [line.record for line in lines(tmp_path)]
