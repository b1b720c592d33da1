"""The task that deletes frozen training sets, where an endpoint's YAML says for how long they are kept.

Only those of which every version that was trained on them is archived; never the first frame, which later sets extend.
"""

from collections.abc import Iterator
from datetime import datetime

from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.maintenance.effects import Effect
from modelops_pipelines.core.tables.training import frozen_table, origins_table
from modelops_pipelines.operations.endpoints.configurations import read_configurations
from modelops_pipelines.operations.improve.training.sets import first_frame
from modelops_pipelines.operations.maintenance.tasks import Task, audited
from modelops_pipelines.store.lake.maintenance.retirement import LakeRetirement
from modelops_pipelines.store.state.improve.training_sets import TrainingSet
from modelops_pipelines.store.stores import Stores

NAME = "training-sets"
KIND = "training sets"


def remove_training_sets(stores: Stores, now: datetime, *, dry_run: bool) -> Iterator[Effect]:
    """Delete the tables of training sets past their retention, and of their origins; their records stay."""
    lake = LakeRetirement(stores.settings.lake)
    for spec in read_configurations(stores.settings).specs:
        for one in _expired(stores, spec, now):
            tables = (origins_table(one.content_hash), frozen_table(one.content_hash))
            files = [file for name in tables for file in stores.lake.path(spec.name, name).rglob("*")]
            size = sum(file.stat().st_size for file in files if file.is_file())
            kept = format_duration(spec.retention.training_sets) if spec.retention.training_sets else "never"
            reason = f"older than {kept}, and every version trained on it is archived"
            effect = Effect(KIND, one.content_hash, 1, size, reason, spec.name, detail={"rows": one.rows})
            if not dry_run:
                with audited(stores, effect, now):
                    for name in tables:  # the rows last: while they are there, a killed run is continued
                        lake.remove_table(spec.name, name)
            yield effect


def _expired(stores: Stores, spec: EndpointSpec, now: datetime) -> list[TrainingSet]:
    kept = spec.retention.training_sets
    if kept is None:
        return []
    first, sets = first_frame(stores, spec), stores.training_sets.of(spec.name)
    archived = stores.deployments.archived(spec.model_name)
    trained: dict[str, set[str]] = {}
    for version in stores.deployments.versions(spec.model_name):
        if version.training_set is not None:
            trained.setdefault(version.training_set, set()).add(version.version)
    return [
        one
        for one in sets
        if one.at + kept <= now
        and (first is None or one.content_hash != first.content_hash)
        and one.content_hash in trained
        and trained[one.content_hash] <= archived
        and stores.lake.path(spec.name, frozen_table(one.content_hash)).exists()
    ]


TASK = Task(
    NAME,
    "delete frozen training sets of archived versions that are past their retention",
    remove_training_sets,
    (KIND,),
)
