"""Whether the user's own metrics can be computed: their files and functions, before any window is."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from modelops_pipelines.core.complaints import Complaint
from modelops_pipelines.core.endpoint import Metric
from modelops_pipelines.operations.function_source import METRIC, function_complaints

_SHOWN = "Write one SELECT of one number FROM predictions, such as SELECT avg(score) FROM predictions"


def metric_complaints(metrics: Sequence[Metric], folder: Path, wrong: Collection[str]) -> Iterator[Complaint]:
    """Yield what is wrong with the metrics' files and functions, looked for in the folder.

    ``wrong`` are the keys that have a complaint already.
    """
    for index, metric in enumerate(metrics):
        path = f"metrics[{index}]"
        if metric.sql is not None and path not in wrong:
            yield from _sql_complaints(metric.sql, folder, f"{path}.sql")
        elif metric.function is not None and not {path, f"{path}.function"} & set(wrong):
            yield from function_complaints(metric.function, folder, f"{path}.function", METRIC)


def _sql_complaints(named: str, folder: Path, path: str) -> Iterator[Complaint]:
    file = folder / named
    try:
        content = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        yield Complaint(path, f"{named} is not UTF-8 text", "Save it as UTF-8")
    except OSError as error:
        fix = f"Create it under {folder}, or correct the path, which starts there"
        yield Complaint(path, f"{named} cannot be read: {error.strerror}", fix)
    else:
        if not content.strip():
            yield Complaint(path, f"{named} is empty", _SHOWN)
