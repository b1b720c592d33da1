"""The page on which a person tries an endpoint: its form, and the prediction that it asks for.

A try goes the way of every prediction, as a test call: it is logged once, limited as its key is, and left out of all
metrics. The page answers the form itself, so a browser asks before it sends a try again; the page's status is 200
whatever became of the try, which it shows.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from anyio import from_thread

from modelops_pipelines.core.access.api_keys import KEY_VARIABLE
from modelops_pipelines.core.errors import InputError, ModelOpsError
from modelops_pipelines.core.models.input_forms import InputForm
from modelops_pipelines.gateway.access.keyring import Caller, Keyring
from modelops_pipelines.gateway.bodies.headers import Call
from modelops_pipelines.gateway.hot_path.predict import Predictor
from modelops_pipelines.gateway.http.errors import status_of
from modelops_pipelines.gateway.http.remedies import for_callers
from modelops_pipelines.gateway.pages.page_router import Answer, Page, PageRouter
from modelops_pipelines.gateway.pages.playground.answered import Tried
from modelops_pipelines.gateway.pages.playground.row_form import (
    MOST_FIELDS,
    Texts,
    fields_of,
    readable_json,
    row_of,
    strict_json,
    texts_of_form,
    texts_of_row,
)
from modelops_pipelines.gateway.pages.playground.tries import last_tries, tried_row, user_of
from modelops_pipelines.gateway.pages.visits import Visit
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.operations.endpoints.served_here import require_served_here
from modelops_pipelines.operations.model_runtime.model_inputs import form_of_version
from modelops_pipelines.operations.models.client_snippets import snippets
from modelops_pipelines.operations.models.example_request import body_of_row, read_examples
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from modelops_pipelines.store.stores import Stores

_TRY = "/endpoints/{endpoint}/try"
_INDENT, _DIGITS = 2, 10


@dataclass(frozen=True)
class _Sheet:
    """What the form has: a field for each input, filled with texts, or a whole body as JSON.

    ``place`` is the number of the example row that it began with, from 0, of ``examples``.
    """

    form: InputForm
    texts: Texts
    json: str | None
    examples: int
    place: int
    has_params: bool
    explain: bool = False

    def body(self) -> str:
        """Return the request's body; raises InputError for a field of JSON that is none."""
        if self.json is not None:
            return self.json
        return readable_json(body_of_row(self.form, row_of(self.form, self.texts)))


def add_try_pages(pages: PageRouter, serving: Serving, stores: Stores, keyring: Keyring, predictor: Predictor) -> None:
    """Add the pages; who may predict may open them."""

    @pages.get(_TRY, role="predict")
    def show_form(visit: Visit) -> Answer:
        served = serving.endpoint(visit.path["endpoint"])
        version, error = _version(served)
        return _show(visit, served, None if version is None else _filled(visit, served, version), error=error)

    @pages.post(_TRY, role="predict")
    def predict(visit: Visit) -> Answer:
        served = serving.endpoint(visit.path["endpoint"])
        version, error = _version(served)
        if version is None:
            return _show(visit, served, None, error=error)
        sheet = _sent(visit, served, version)
        try:
            content = sheet.body().encode()
        except InputError as fault:
            return _show(visit, served, sheet, error=fault)
        tried = from_thread.run(_try, predictor, served.spec.name, visit.caller, content, sheet.explain)
        return _show(visit, served, sheet, tried)

    def _filled(visit: Visit, served: ServedEndpoint, version: ModelVersion) -> _Sheet:
        """Return the form with an example row, or with the row of an earlier try."""
        form = form_of_version(version)
        rows, params = read_examples(version, form)
        place, again = _place(visit.query.get("row", ""), len(rows)), visit.query.get("again", "")
        row = tried_row(stores, served.spec, visit.caller, again, form) if again else rows[place]
        is_json = visit.query.get("as") == "json" or len(form.inputs) > MOST_FIELDS
        body = readable_json(body_of_row(form, row, params), _INDENT) if is_json else None
        return _Sheet(form, texts_of_row(form, row), body, len(rows), place, has_params=params is not None)

    def _show(
        visit: Visit,
        served: ServedEndpoint,
        sheet: _Sheet | None,
        tried: Tried | None = None,
        error: ModelOpsError | None = None,
    ) -> Page:
        spec, base = served.spec, stores.settings.public_url or str(visit.request.base_url)
        facts = {
            "spec": spec,
            "version": served.state.champion,
            "error": error,
            "remedy": for_callers(error.remedy) if error else "",
            "sheet": sheet,
            "fields": fields_of(sheet.form, sheet.texts) if sheet and sheet.json is None else [],
            "most_fields": MOST_FIELDS,
            "tried": tried.describe() if tried else None,
            "code": _code(sheet, base.rstrip("/"), spec.name, with_key=not keyring.is_open) if sheet else {},
            "key_variable": KEY_VARIABLE,
            "tries": last_tries(stores, spec, visit.caller),
        }
        is_refused = error is not None and visit.request.method == "POST"
        return Page("try.html", facts, status_of(error) if error and is_refused else 200, section="overview")


async def _try(predictor: Predictor, endpoint: str, caller: Caller, content: bytes, explain: bool) -> Tried:  # noqa: FBT001 - ``from_thread.run`` passes no names
    """Ask for the prediction, as a test call."""
    call = Call(
        key=None,
        user=user_of(caller),
        session=None,
        client=None,
        event_time=None,
        content_type="application/json",
        length=len(content),
        is_test=True,
        received=datetime.now(UTC),
        started=time.perf_counter(),
    )
    exchange, answer = await predictor.answer_person(endpoint, caller, call, content, b"explain=true" * explain)
    return Tried(exchange, answer, (time.perf_counter() - call.started) * 1000)


def _version(served: ServedEndpoint) -> tuple[ModelVersion | None, ModelOpsError | None]:
    """Return the champion, or why there is nothing to try."""
    try:
        require_served_here(served.spec, "a request")
    except ModelOpsError as error:
        return None, error
    version = served.version_of(served.state.champion) if served.is_answering else None
    return version, served.unserved_error() if version is None else None


def _sent(visit: Visit, served: ServedEndpoint, version: ModelVersion) -> _Sheet:
    """Return the form as a person has sent it."""
    form, given = form_of_version(version), visit.form
    rows, params = read_examples(version, form)
    return _Sheet(
        form,
        texts_of_form(form, given),
        given.get("body") if given.get("as") == "json" else None,
        len(rows),
        _place(given.get("row", ""), len(rows)),
        has_params=params is not None,
        explain=served.spec.explain is not None and given.get("explain") == "yes",
    )


def _place(given: str, count: int) -> int:
    """Return which example row is asked for, from 0; after the last one comes the first."""
    return int(given) % count if given.isascii() and given.isdecimal() and len(given) < _DIGITS else 0


def _code(sheet: _Sheet, base: str, endpoint: str, *, with_key: bool) -> dict[str, str]:
    """Return programs that send what is in the form; none while that is no JSON object."""
    try:
        body = strict_json(sheet.body())
    except (InputError, ValueError, RecursionError):
        return {}
    if not isinstance(body, dict):
        return {}
    return snippets(base, endpoint, body, with_key=with_key, explain=sheet.explain)
