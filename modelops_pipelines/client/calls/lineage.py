"""Why a version is as it is, where feedback went, and what training sets were made of."""

from modelops_pipelines.client.answers.lineage import Where, Why
from modelops_pipelines.client.answers.reading import many, one
from modelops_pipelines.client.answers.result import Listing
from modelops_pipelines.client.answers.training_sets import TrainingSet, TrainingSetDetails
from modelops_pipelines.client.connection.call import Call
from modelops_pipelines.client.connection.operation import operation

_ENDPOINT = "/endpoints/{endpoint}"


class LineageCalls:
    """Operations that follow a version back to its data, and feedback forward to versions."""

    @operation
    def why(self, endpoint: str, version: str | int, *, limit: int = 100, cursor: str | None = None) -> Call[Why]:
        """Show why a version is as it is: its data, feedback, checks, training, signals, gate, trials and people."""
        parts, query = {"endpoint": endpoint, "version": str(version)}, {"limit": limit, "cursor": cursor}
        return Call("GET", f"{_ENDPOINT}/versions/{{version}}/why", one(Why), parts, query)

    @operation
    def where(self, endpoint: str, feedback_id: str) -> Call[Where]:
        """Show where a piece of feedback went: its prediction, acceptance, training sets, versions, what is live."""
        parts = {"endpoint": endpoint, "feedback_id": feedback_id}
        return Call("GET", f"{_ENDPOINT}/feedback/{{feedback_id}}/where", one(Where), parts)

    @operation
    def training_sets(self, endpoint: str, *, limit: int = 100) -> Call[Listing[TrainingSet]]:
        """List the endpoint's training sets, newest first."""
        return Call("GET", f"{_ENDPOINT}/training-sets", many(TrainingSet), {"endpoint": endpoint}, {"limit": limit})

    @operation
    def training_set(self, endpoint: str, content_hash: str) -> Call[TrainingSetDetails]:
        """Show a training set, by its hash or the beginning of it: its rows, where they came from, its checks."""
        parts = {"endpoint": endpoint, "content_hash": content_hash}
        return Call("GET", f"{_ENDPOINT}/training-sets/{{content_hash}}", one(TrainingSetDetails), parts)
