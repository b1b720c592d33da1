"""OpenLineage's vocabulary: runs, jobs, datasets and their facets, as JSON of version 2-0-2 of its specification.

https://openlineage.io/spec/2-0-2/OpenLineage.json. The tests read every event with the client's own classes; the
product does not load the client, because a few dictionaries need none of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid5

from modelops_pipelines.core.windows import text

PRODUCER = "https://github.com/modelops-pipelines/modelops_pipelines"
EVENT_SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
RUN_FACET_SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet"
_FACETS = "https://openlineage.io/spec/facets"
_SCHEMAS = {
    name: f"{_FACETS}/{version}/{facet}.json#/$defs/{facet}"
    for name, version, facet in (
        ("version", "1-0-1", "DatasetVersionDatasetFacet"),
        ("schema", "1-2-0", "SchemaDatasetFacet"),
        ("columnLineage", "1-2-0", "ColumnLineageDatasetFacet"),
        ("symlinks", "1-0-1", "SymlinksDatasetFacet"),
        ("dataQualityAssertions", "1-1-0", "DataQualityAssertionsDatasetFacet"),
        ("outputStatistics", "1-0-2", "OutputStatisticsOutputDatasetFacet"),
        ("jobType", "2-0-4", "JobTypeJobFacet"),
        ("errorMessage", "1-0-1", "ErrorMessageRunFacet"),
    )
}
_RUNS = UUID("5f7f2c1e-6f1d-5a52-9a2e-9d6b1a4c0f61")
"""The namespace of our run ids: the same step always has the same one, so that an event sent twice is one."""
State = Literal["START", "COMPLETE", "FAIL"]
START: State = "START"
COMPLETE: State = "COMPLETE"
FAIL: State = "FAIL"
Json = dict[str, Any]


@dataclass(frozen=True)
class Dataset:
    """A dataset with its facets; ``own_facets`` are those of its use as an input or an output."""

    name: str
    facets: Mapping[str, Json]
    own_facets: Mapping[str, Json]


@dataclass(frozen=True)
class Step:
    """A step that was done: its job, the text that identifies its run, what it read and what it made.

    ``started_at`` is not after ``ended_at``; ``failure`` is the kind of what ended it, None when it came to its end.
    """

    job: str
    run: str
    started_at: datetime
    ended_at: datetime
    inputs: Sequence[Dataset]
    outputs: Sequence[Dataset]
    run_facets: Mapping[str, Json]
    failure: str | None = None


def events_of(step: Step, namespace: str) -> list[Json]:
    """Return the two events of a step: its start, and its end, which names everything that it read and made."""
    failed = {} if step.failure is None else {"errorMessage": error_message(step.failure)}
    ended: State = COMPLETE if step.failure is None else FAIL
    inputs = [_dataset(one, namespace, "inputFacets") for one in step.inputs]
    outputs = [_dataset(one, namespace, "outputFacets") for one in step.outputs]
    return [
        _event(step, namespace, START, {}, inputs, []),
        _event(step, namespace, ended, {**step.run_facets, **failed}, inputs, outputs),
    ]


def run_id(run: str, namespace: str) -> str:
    """Return the id of a run, always the same for the text that identifies it."""
    return str(uuid5(_RUNS, f"{namespace}/{run}"))


def _event(
    step: Step, namespace: str, state: State, facets: Mapping[str, Json], inputs: list[Json], outputs: list[Json]
) -> Json:
    job_type = facet("jobType", processingType="BATCH", integration="MODELOPS_PIPELINES", jobType="STEP")
    return {
        "eventType": state,
        "eventTime": text(step.started_at if state == START else step.ended_at),
        "producer": PRODUCER,
        "schemaURL": EVENT_SCHEMA,
        "run": {"runId": run_id(step.run, namespace), "facets": dict(facets)},
        "job": {"namespace": namespace, "name": step.job, "facets": {"jobType": job_type}},
        "inputs": inputs,
        "outputs": outputs,
    }


def _dataset(one: Dataset, namespace: str, own: str) -> Json:
    named = {"namespace": namespace, "name": one.name, "facets": _named(one.facets, namespace)}
    return named | ({own: dict(one.own_facets)} if one.own_facets else {})


def _named(facets: Mapping[str, Json], namespace: str) -> Json:
    """Return the facets with the namespace in each of the columns' sources, which are datasets of ours."""
    lineage = facets.get("columnLineage")
    if lineage is None:
        return dict(facets)
    fields = {
        name: {"inputFields": [{"namespace": namespace, **one} for one in column["inputFields"]]}
        for name, column in lineage["fields"].items()
    }
    return {**facets, "columnLineage": {**lineage, "fields": fields}}


def facet(name: str, **values: Any) -> Json:
    """Return a standard facet."""
    return {"_producer": PRODUCER, "_schemaURL": _SCHEMAS[name], **values}


def own_run_facet(**values: Any) -> Json:
    """Return a facet of our own on a run; it is no standard one, so that any consumer may pass it over."""
    return {"_producer": PRODUCER, "_schemaURL": RUN_FACET_SCHEMA, **values}


def version(value: object) -> Json:
    """Return the facet of a dataset's version."""
    return facet("version", datasetVersion=str(value))


def location(path: str) -> Json:
    """Return the facet that says where a dataset's files are."""
    return facet("symlinks", identifiers=[{"namespace": "file", "name": path, "type": "LOCATION"}])


def schema(types: Mapping[str, str]) -> Json:
    """Return the facet of a dataset's columns and their types, in order."""
    return facet("schema", fields=[{"name": name, "type": kind} for name, kind in types.items()])


def column_lineage(sources: Mapping[str, Sequence[tuple[str, str, str]]]) -> Json:
    """Return the facet that says what each column came from: (dataset, column, kind of direct transformation)."""
    fields = {
        name: {
            "inputFields": [
                {"name": dataset, "field": column, "transformations": [{"type": "DIRECT", "subtype": kind}]}
                for dataset, column, kind in found
            ]
        }
        for name, found in sources.items()
    }
    return facet("columnLineage", fields=fields)


def assertions(verdicts: Sequence[tuple[str, bool]]) -> Json:
    """Return the facet of checks on an input: name and verdict. One that was not judged is no assertion."""
    found = [{"assertion": name, "success": passed} for name, passed in verdicts]
    return facet("dataQualityAssertions", assertions=found)


def row_count(rows: int) -> Json:
    """Return the facet of an output's rows."""
    return facet("outputStatistics", rowCount=rows)


def error_message(kind: str) -> Json:
    """Return the facet of a failed run: the kind of its failure only, because its words may quote data."""
    return facet("errorMessage", message=kind, programmingLanguage="PYTHON")
