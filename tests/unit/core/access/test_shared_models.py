"""Which registered models a caller may know of."""

from modelops_pipelines.core.access.shared_models import ModelScope, model_scope

SERVED = (("alpha", "shared"), ("beta", "shared"), ("gamma", "own"), ("delta", "theirs"))


def test_who_sees_all_endpoints_is_hidden_no_model() -> None:
    expected = {"shared": ("alpha", "beta"), "own": ("gamma",), "theirs": ("delta",)}
    assert ModelScope(expected, frozenset()) == model_scope(SERVED, lambda _: True)


def test_a_model_that_only_others_serve_is_hidden_and_a_shared_one_tells_no_endpoint_of_theirs() -> None:
    found = model_scope(SERVED, {"alpha", "gamma"}.__contains__)
    assert ModelScope({"shared": ("alpha",), "own": ("gamma",)}, frozenset({"theirs"})) == found


def test_who_has_no_endpoint_sees_what_nobody_serves() -> None:
    assert ModelScope({}, frozenset({"shared", "own", "theirs"})) == model_scope(SERVED, lambda _: False)
