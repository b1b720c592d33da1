"""What an endpoint's YAML may say about reviews."""

from dataclasses import replace

import pytest

from modelops_pipelines.core.endpoints.improvement import REVIEW_REASONS, ReviewPolicy
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.endpoints.validation.review import review_issues

SPEC = EndpointSpec("flights", "flight-delay", "binary_classification", "late")
GOOD = ReviewPolicy(REVIEW_REASONS)


def test_defaults_and_every_reason_have_nothing_wrong_with_them() -> None:
    assert [] == list(review_issues(SPEC))
    assert [] == list(review_issues(replace(SPEC, review=GOOD)))


@pytest.mark.parametrize(
    ("policy", "path", "said"),
    [
        (ReviewPolicy(("randon",)), "review.reasons[0]", "Did you mean 'random'?"),
        (ReviewPolicy(("random", "random")), "review.reasons[1]", "Keep one of them"),
        (replace(GOOD, per_day=-1), "review.per_day", "such as 20"),
        (replace(GOOD, random=20_000), "review.random", "such as 10"),
        (replace(GOOD, random=0), "review.random", "Raise it, or remove the reason"),
        (replace(GOOD, reviewers=0), "review.reviewers", "such as 2"),
        (replace(GOOD, shared=1.5), "review.shared", "such as 0.2"),
        (ReviewPolicy((), per_day=5), "review.reasons", "or remove 'review'"),
    ],
)
def test_what_is_wrong_is_named_by_its_path_with_the_fix(policy: ReviewPolicy, path: str, said: str) -> None:
    (issue,) = review_issues(replace(SPEC, review=policy))
    assert (path, True) == (issue.path, said in issue.fix)
