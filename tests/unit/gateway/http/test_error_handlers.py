"""Every error of ours as a FastAPI route answers it: the caller reads what is for callers, the log has the rest."""

import inspect
import logging

import pytest
from fastapi import FastAPI

from modelops_pipelines.core import errors
from modelops_pipelines.gateway.http.error_handlers import add_error_handlers
from modelops_pipelines.gateway.http.errors import status_of
from tests.support.asgi_client import ask

PATH = "/srv/home/state.db"
WITHIN = {
    errors.ModelOpsError,
    errors.PermanentError,
    errors.TransientError,
    errors.SettingsError,
    errors.SchemaError,
    errors.ModelError,
    errors.TrainingError,
    errors.IntegrityError,
    errors.RegistryError,
    errors.OnboardingError,
    errors.BusyError,
    errors.StateError,
    errors.UnavailableError,
    errors.AcknowledgementError,
    errors.UnservedVersionError,
    errors.MaintenanceError,
}
KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.ModelOpsError)]


def made(kind: type[errors.ModelOpsError]) -> errors.ModelOpsError:
    if kind is errors.OnboardingError:
        return errors.OnboardingError([errors.Fault(PATH, 1, "task", "is none", "Correct it")])
    return kind(f"What was asked fails: {PATH} (OSError: no)", "Do something")


def raising(error: Exception) -> FastAPI:
    app = FastAPI()
    add_error_handlers(app)

    @app.get("/thing")
    def thing() -> None:
        raise error

    return app


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_only_errors_that_are_for_callers_reach_them(
    kind: type[errors.ModelOpsError], caplog: pytest.LogCaptureFixture
) -> None:
    error = made(kind)
    answer = ask(raising(error), "GET", "/thing")
    assert answer.status_code == status_of(error)
    if kind in WITHIN:
        assert PATH not in answer.text
        assert "OSError" not in answer.text
        assert [("modelops.gateway", logging.ERROR)] == [(name, level) for name, level, _ in caplog.record_tuples]
        assert f"/thing failed: {error}" in caplog.text
    else:
        assert (answer.json()["error"]["message"], caplog.records) == (error.message, [])


def test_a_worker_that_refuses_is_told_without_its_own_words() -> None:
    error = errors.AcknowledgementError("A gateway worker cannot serve version 2 of 'e': OSError /x", "See the log")
    told = ask(raising(error), "GET", "/thing").json()["error"]
    assert (told["code"], told["message"]) == ("acknowledgement", "A gateway worker cannot serve version 2 of 'e'")


def test_what_nobody_foresaw_is_internal() -> None:
    answer = ask(raising(ValueError(PATH)), "GET", "/thing")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert PATH not in answer.text
