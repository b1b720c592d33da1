"""What a reader is shown of a shadow: not its error, which may quote a row of the log."""

from modelops_pipelines.gateway.access.keyring import Caller
from modelops_pipelines.gateway.routes.release.trials import shown_to

SUMMARY = {"version": "3", "failed": 1, "first_error": "could not convert 'Ann Smith' to float"}


def test_the_error_of_a_shadow_is_for_those_who_may_read_the_log() -> None:
    operator, reader = Caller(permitted=frozenset({"read", "operate"})), Caller(permitted=frozenset({"read"}))
    assert SUMMARY == shown_to(SUMMARY, operator)
    assert {**SUMMARY, "first_error": None} == shown_to(SUMMARY, reader)
