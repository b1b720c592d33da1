"""The improve page of an endpoint, and the pages on which a person judges one prediction after the other."""

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.gateway.pages.files import endpoint_address
from modelops_pipelines.gateway.pages.improve.facts import improve_facts
from modelops_pipelines.gateway.pages.numbers import number_in
from modelops_pipelines.gateway.pages.page_router import Answer, Done, Page, PageRouter
from modelops_pipelines.gateway.pages.visits import Visit
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

_IMPROVE = "/endpoints/{endpoint}/improve"
_ITEM = f"{_IMPROVE}/review/{{number}}"
_LONGEST_LABEL, _LONGEST_NOTE = 200, 2000
_ACTS = ("flag", "unflag", "accept", "delete")


def add_improve_pages(pages: PageRouter, serving: Serving, stores: Stores) -> None:
    """Add the pages."""
    _add_review_pages(pages, serving, stores)

    @pages.get(_IMPROVE, role="read")
    def show_improve(visit: Visit) -> Answer:
        spec = serving.endpoint(visit.path["endpoint"]).spec
        return Page("improve.html", {**improve_facts(stores, spec, visit.caller), "here": visit.address})

    @pages.post(f"{_IMPROVE}/feedback/{{feedback_id}}/{{act}}", role="operate")
    def act_on_feedback(visit: Visit) -> Answer:
        from modelops_pipelines.operations.improve.feedback import act_on_feedback as acts

        spec, number, act = serving.endpoint(visit.path["endpoint"]).spec, visit.path["feedback_id"], visit.path["act"]
        if act not in _ACTS:
            raise UnknownError(f"There is no action {act[:40]!r} on feedback", f"Use one of: {', '.join(_ACTS)}")
        if act == "accept":
            accepted, fresh = acts.accept(stores, spec, number, visit.caller.name, None, None)
            said = f"The label {accepted.label} is {'' if fresh else 'already '}accepted for training"
        elif act == "delete":
            fresh = acts.delete(stores, spec, number, visit.caller.name)
            said = f"The feedback is {'' if fresh else 'already '}deleted"
        else:
            (acts.flag if act == "flag" else acts.unflag)(stores, spec, number, visit.caller.name, None)
            said = f"The feedback is {'flagged for review' if act == 'flag' else 'not flagged any more'}"
        return Done(said, endpoint_address(spec.name, "/improve"))


def _add_review_pages(pages: PageRouter, serving: Serving, stores: Stores) -> None:
    @pages.get(_ITEM, role="read")
    def show_item(visit: Visit) -> Answer:
        from modelops_pipelines.operations.improve.review import views
        from modelops_pipelines.operations.improve.review.judge import known_classes

        spec = serving.endpoint(visit.path["endpoint"]).spec
        item = views.show_item(stores, spec, number_in(visit, "item"), visit.caller.name)
        classes = [] if spec.task == "regression" else known_classes(stores, spec)
        return Page("review_item.html", {"spec": spec, "item": item, "classes": classes})

    @pages.post(_ITEM, role="operate")
    def judge_item(visit: Visit) -> Answer:
        from modelops_pipelines.operations.improve.review.judge import judge

        spec, number = serving.endpoint(visit.path["endpoint"]).spec, number_in(visit, "item")
        verdict, label = visit.required("verdict"), visit.text("label", _LONGEST_LABEL)
        note = visit.text("note", _LONGEST_NOTE) or None
        judge(stores, spec, number, verdict, visit.caller.name, label=label or None, note=note)
        said = {"confirm": "is right", "correct": f"should be {label}", "reject": "cannot be judged"}[verdict]
        return Done(f"Noted: prediction {number} {said}", _next(spec, visit))

    def _next(spec: EndpointSpec, visit: Visit) -> str:
        """Return the page of the next prediction that this person has not judged; the improve page without one."""
        from modelops_pipelines.operations.improve.review.views import list_items

        following = list_items(stores, spec, not_judged_by=visit.caller.name, limit=1).items
        after = f"/improve/review/{following[0]['id']}" if following else "/improve"
        return endpoint_address(spec.name, after)
