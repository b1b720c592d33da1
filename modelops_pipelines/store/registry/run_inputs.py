"""What MLflow's run of a version says of its data: the training set as a dataset input, and tags to search by."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DIGEST_LENGTH = 36
"""The most that MLflow takes: the whole hash is in the source and in the tag ``modelops.training_set``."""
SOURCE_TYPE = "delta_table"
CONTEXT = "training"
_TAG_LENGTH = 500


@dataclass(frozen=True)
class RunInputs:
    """A training set as the input of a run: ``types`` are its columns in order, ``tags`` are those of the run."""

    name: str
    content_hash: str
    path: str
    rows: int
    types: Mapping[str, str]
    tags: Mapping[str, str] = field(default_factory=dict)


def log_run_inputs(client: Any, run_id: str, inputs: RunInputs) -> None:
    """Log the dataset and the tags to a run; a second call changes nothing."""
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

    columns = [{"name": name, "type": kind, "required": False} for name, kind in inputs.types.items()]
    dataset = Dataset(
        name=inputs.name,
        digest=inputs.content_hash[:DIGEST_LENGTH],
        source_type=SOURCE_TYPE,
        source=json.dumps({"path": inputs.path, "content_hash": inputs.content_hash}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({"num_rows": inputs.rows}),
    )
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, CONTEXT)])])
    for name, value in inputs.tags.items():
        client.set_tag(run_id, name, value[:_TAG_LENGTH])
