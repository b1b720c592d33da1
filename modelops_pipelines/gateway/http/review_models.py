"""Bodies of the routes on the review queue, as the OpenAPI document shows them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from modelops_pipelines.core.endpoints.improvement import ReviewReason
from modelops_pipelines.core.improve.review.verdicts import ItemStatus, VerdictKind
from modelops_pipelines.gateway.http.response_models import Moment

Name = Annotated[StrictStr, Field(min_length=1, max_length=200)]
Note = Annotated[StrictStr, Field(max_length=2000)]
TrueValue = StrictBool | StrictInt | StrictFloat | Annotated[StrictStr, Field(max_length=200)]


class VerdictMessage(BaseModel):
    """A reviewer's verdict: ``label`` is the true class or number of 'correct', and only of it."""

    model_config = ConfigDict(extra="forbid")
    verdict: VerdictKind
    label: TrueValue | None = None
    note: Note = ""


class ReviewAssignMessage(BaseModel):
    """Who judges the item; null: nobody. With ``force`` it is taken from the person who has it."""

    model_config = ConfigDict(extra="forbid")
    assignee: Name | None
    force: StrictBool = False


class ReopenMessage(BaseModel):
    """What is wrong with the item's label."""

    model_config = ConfigDict(extra="forbid")
    note: Note


class ReviewItemInfo(BaseModel):
    """A prediction in the review queue."""

    id: int
    endpoint: str
    prediction_id: str
    event_time: Moment
    model_version: str | None
    reason: ReviewReason
    priority: float = Field(description="the higher the sooner")
    probability: float | None = Field(description="with which a random item was drawn")
    wanted: int = Field(description="verdicts wanted, of as many reviewers")
    verdicts: int = Field(description="verdicts given")
    status: ItemStatus
    assignee: str | None
    created_at: Moment
    detail: dict[str, Any] = Field(description="what was answered, and why it is here")


class ReviewPage(BaseModel):
    """A page of the queue, the most urgent first."""

    items: list[ReviewItemInfo]
    next: str | None = Field(description="the cursor of the next page; null on the last one")


class VerdictInfo(BaseModel):
    """A verdict that was given."""

    reviewer: str
    verdict: VerdictKind
    label: str | None
    note: str | None
    at: Moment


class ReviewItemDetails(ReviewItemInfo):
    """An item with what a reviewer needs. Verdicts on an open item are shown to those who have judged it."""

    conflict: bool = Field(description="whether reviewers say different things")
    given: list[VerdictInfo]
    replaced: list[dict[str, Any]] = Field(description="verdicts that their reviewers replaced, or that were reopened")
    reopened: list[dict[str, Any]]
    features: dict[str, Any] | None = Field(description="null where they were not kept")


class AgreementInfo(BaseModel):
    """How far reviewers agree; kappa is null, with the reason, where it is undefined."""

    kappa: float | None = Field(description="mean pairwise Cohen's kappa, from -1 to 1")
    reason: str | None
    pairs: int
    shared: int = Field(description="predictions with verdicts of several reviewers")
    agreed: float | None = Field(description="share of them on which all agree")


class QualityInfo(BaseModel):
    """The quality of all predictions, estimated from the random sample without bias, with its 95 % interval."""

    metric: Literal["accuracy", "mae"]
    value: float | None
    low: float | None
    high: float | None
    judged: int
    drawn: int
    predictions: int = Field(description="predictions of the days with a judged draw")
    reason: str | None


class ReviewSummary(BaseModel):
    """What the reviews say."""

    endpoint: str
    items: dict[str, dict[str, int]] = Field(description="items by reason and status")
    open: int
    done: int
    dropped: int
    oldest_open: Moment | None
    agreement: AgreementInfo
    quality: QualityInfo
