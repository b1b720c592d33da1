"""What a configuration revokes at once, before the rest of it is in force."""

from dataclasses import replace

from modelops_pipelines.core.endpoints.spec import EndpointSpec, without_revoked


def test_owners_are_those_of_the_newest_configuration_and_all_else_stays() -> None:
    before = EndpointSpec("credit", "loans", "regression", "paid", owners=("team:risk", "ann@example.org"))
    newer = replace(before, model_name="others", owners=("team:media",))
    assert replace(before, owners=("team:media",)) == without_revoked(before, newer)
