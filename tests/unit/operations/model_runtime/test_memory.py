"""How much memory is available, by what the kernel and a container's files say."""

from pathlib import Path

import pytest

from modelops_pipelines.operations.model_runtime import memory

MIB = 1 << 20


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which the container's files are looked for."""
    monkeypatch.setattr(memory, "_CONTAINER", tmp_path)
    return tmp_path


def limit(container: Path, most: str, taken: int, droppable: int) -> None:
    (container / "memory.max").write_text(f"{most}\n")
    (container / "memory.current").write_text(f"{taken}\n")
    (container / "memory.stat").write_text(f"anon 5\ninactive_file {droppable}\nactive_file 7\n")


def test_without_a_limit_the_machine_s_available_memory_counts(container: Path) -> None:
    machine = memory.available_bytes()
    assert machine is not None
    assert 0 < machine <= (memory.machine_bytes() or 0)
    limit(container, "max", MIB, 0)
    assert abs((memory.available_bytes() or 0) - machine) < 512 * MIB


def test_of_a_container_s_limit_what_is_not_taken_and_what_can_be_dropped_is_available(container: Path) -> None:
    limit(container, str(10 * MIB), 8 * MIB, 3 * MIB)
    assert 5 * MIB == memory.available_bytes()
    limit(container, str(10 * MIB), 12 * MIB, 0)
    assert 0 == memory.available_bytes()
    (container / "memory.stat").unlink()
    limit_without_stat = memory.available_bytes()
    assert 0 == limit_without_stat
