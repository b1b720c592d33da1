"""The wizard's pages. Those up to the review ask; the last two write the endpoint's file, and lead on to its deploy."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from modelops_pipelines.core.access.api_keys import KEY_HEADER, KEY_VARIABLE
from modelops_pipelines.core.endpoints.spec import ELSEWHERE, SERVED, EndpointSpec
from modelops_pipelines.core.endpoints.validate import is_name
from modelops_pipelines.core.errors import ConflictError, ForbiddenError, ModelOpsError, OnboardingError, OverloadError
from modelops_pipelines.gateway.access.endpoint_creation import is_own
from modelops_pipelines.gateway.http.refused_versions import telling_why
from modelops_pipelines.gateway.pages.files import ROOT
from modelops_pipelines.gateway.pages.numbers import version_of
from modelops_pipelines.gateway.pages.page_router import SEE_OTHER, Answer, Done, Page, PageRouter
from modelops_pipelines.gateway.pages.release.actions import SHARE, Asked, action_named
from modelops_pipelines.gateway.pages.visits import Visit
from modelops_pipelines.gateway.pages.wizard.fields import (
    CARRIED,
    FIELDS,
    NAMES,
    endpoint_in,
    faults_by_field,
    given_in,
    with_usual,
)
from modelops_pipelines.gateway.routes.onboarding import (
    as_input,
    checked_draft,
    describe_draft,
    models_seen_by,
    quick_draft,
    require_known_model,
    write_draft,
)
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.operations.endpoints.add import Draft, new_path, text_of
from modelops_pipelines.store.stores import Stores

NEW: Final = f"{ROOT}/new"
SECTION = "new endpoint"
MODELS, VERSIONS = 50, 50
TAKEN_UP_SECONDS, LOOK_SECONDS = 5.0, 0.05
"""How long the last page waits at most until this worker has taken the new file up, and how often it looks."""
OTHERS_SECONDS = 1.0
"""How old the file is before the page leads on, for the next request may go to another worker."""
YAML = "application/yaml; charset=utf-8"
UNPROCESSABLE = 422
_WAITING = threading.BoundedSemaphore(4)
_TRYING = threading.BoundedSemaphore(1)
"""A review loads the version in processes of its own: those of one review at a time."""
_REFUSED = (OnboardingError, ForbiddenError, ConflictError)


def add_wizard(pages: PageRouter, serving: Serving, stores: Stores) -> None:
    """Add the pages: the questions in their order, the review, and what is done."""
    _add_questions(pages, serving, stores)
    _add_review(pages, serving, stores)
    _add_outcomes(pages, serving, stores)


def _add_questions(pages: PageRouter, serving: Serving, stores: Stores) -> None:
    @pages.get("/new", role="operate", filters_teams=True)
    def ask_where(visit: Visit) -> Answer:
        return Page("wizard_where.html", {"served": visit.query.get("served", SERVED[0])}, section=SECTION)

    @pages.get("/new/model", role="operate", filters_teams=True)
    def ask_model(visit: Visit) -> Answer:
        if visit.query.get("served") == ELSEWHERE:
            return _to("configure", {"served": ELSEWHERE})
        return Page("wizard_model.html", _models(stores, serving, visit), section=SECTION)

    @pages.get("/new/configure", role="operate", filters_teams=True)
    def ask_configuration(visit: Visit) -> Answer:
        given = given_in(visit.query)
        if given["served"] != ELSEWHERE and not (given["model_name"] and given["version"]):
            return _to("model", {})
        return _form(with_usual(given, visit.caller), {})

    @pages.post("/new/configure", role="operate", filters_teams=True)
    def check_configuration(visit: Visit) -> Answer:
        """Show the form as it is filled in, with what is wrong with it; a field that is empty yet is not wrong."""
        given = given_in(visit.form)
        try:
            quick_draft(stores, visit.caller, endpoint_in(given))
        except _REFUSED as error:
            faults = faults_by_field(error, given["task"])
            return _form(given, {name: said for name, said in faults.items() if given.get(name)})
        return _form(given, {})


def _add_review(pages: PageRouter, serving: Serving, stores: Stores) -> None:
    @pages.post("/new/review", role="operate", filters_teams=True)
    def review(visit: Visit) -> Answer:
        given = given_in(visit.form)
        try:
            draft = quick_draft(stores, visit.caller, endpoint_in(given))
        except _REFUSED as error:
            return _form(given, faults_by_field(error, given["task"]), UNPROCESSABLE)
        require_known_model(stores, serving, visit.caller, draft.spec)
        would, cannot = _deployment(stores, visit, draft.spec, given["version"])
        facts = {"given": given, "names": NAMES, "would": would, "cannot": cannot}
        return Page("wizard_review.html", {**facts, "new": describe_draft(draft, dry_run=True)}, section=SECTION)


def _add_outcomes(pages: PageRouter, serving: Serving, stores: Stores) -> None:
    @pages.post("/new/write", role="operate", filters_teams=True)
    def write(visit: Visit) -> Answer:
        given, draft = _asked(stores, serving, visit)
        write_draft(draft, visit.caller)
        then = urlencode({"name": draft.spec.name, "version": given["version"]})
        return Done(f"{describe_draft(draft, dry_run=False)['sentence']}.", f"{NEW}/written?{then}")

    @pages.post("/new/download", role="operate", filters_teams=True)
    def download(visit: Visit) -> Answer:
        _, draft = _asked(stores, serving, visit)
        headers = {"content-disposition": f'attachment; filename="{draft.spec.name}.yaml"', "cache-control": "no-store"}
        return Response(draft.text, media_type=YAML, headers={**headers, "x-content-type-options": "nosniff"})

    @pages.get("/new/written", role="operate", filters_teams=True)
    def show_written(visit: Visit) -> Answer:
        version = visit.query.get("version", "")
        facts = {
            "spec": _taken_up(stores, serving, visit, visit.query.get("name", "")),
            "version": version_of(version) if version else "",
            "gateway": stores.settings.links_to_gateway,
            "header": KEY_HEADER,
            "variable": KEY_VARIABLE,
        }
        return Page("wizard_written.html", facts, section=SECTION)


def _form(given: Mapping[str, str], faults: Mapping[str, str], status: int = 200) -> Page:
    shown = {field.name for field in FIELDS}
    facts = {
        "given": given,
        "faults": faults,
        "fields": FIELDS,
        "carried": CARRIED,
        "yaml": text_of(endpoint_in(given).attributes()),
        "others": [said for name, said in faults.items() if name not in shown],
    }
    return Page("wizard_configure.html", facts, status, section=SECTION)


def _models(stores: Stores, serving: Serving, visit: Visit) -> dict[str, Any]:
    from modelops_pipelines.operations.release.registered_models import model_versions_page, models_page

    scope = models_seen_by(visit.caller, serving)
    search, model = (visit.query.get(name, "").strip() for name in ("search", "model"))
    found = models_page(stores, scope, search, visit.query.get("cursor") or None, MODELS)
    versions = model_versions_page(stores, scope, model, None, VERSIONS).items if model else []
    following = urlencode({"search": search, "cursor": found.next_cursor}) if found.next_cursor else ""
    return {"models": found.items, "following": following, "search": search, "model": model, "versions": versions}


def _asked(stores: Stores, serving: Serving, visit: Visit) -> tuple[dict[str, str], Draft]:
    """Return the fields and the file; raises InputError for what the review has refused before."""
    given = given_in(visit.form)
    try:
        return given, checked_draft(stores, serving, visit.caller, endpoint_in(given))
    except OnboardingError as error:
        raise as_input(error) from error


def _deployment(stores: Stores, visit: Visit, spec: EndpointSpec, version: str) -> tuple[str, ModelOpsError | None]:
    """Return what deploying the version would do, or why it cannot be; neither where others serve the endpoint."""
    preview = action_named("deploy").preview
    if spec.is_elsewhere or preview is None:
        return "", None
    asked = Asked(version_of(version), visit.caller.name, "", {"share": int(SHARE.default), "force": False})
    if not _TRYING.acquire(blocking=False):
        return "", OverloadError("Another version is being tried for a review", "Deploying it tries it in any case")
    try:
        with telling_why():
            return preview(stores, spec, asked), None
    except ModelOpsError as error:
        return "", error
    finally:
        _TRYING.release()


def _taken_up(stores: Stores, serving: Serving, visit: Visit, name: str) -> EndpointSpec | None:
    """Return an endpoint of the caller's; None when this worker has not taken it up after TAKEN_UP_SECONDS.

    Few wait at once, and nobody for a file that is not there: threads that wait are missing to all other pages.
    """
    path = new_path(stores.settings, name) if is_name(name) else None
    found = _theirs(serving, visit, name, path)
    if found is not None or path is None or not path.is_file() or not _WAITING.acquire(blocking=False):
        return found
    try:
        until = time.monotonic() + TAKEN_UP_SECONDS
        while found is None and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
            found = _theirs(serving, visit, name, path)
        return found
    finally:
        _WAITING.release()


def _theirs(serving: Serving, visit: Visit, name: str, path: Path | None) -> EndpointSpec | None:
    """Return the caller's endpoint once this worker, and by the file's age each other one, has taken it up."""
    served = serving.find(name)
    is_theirs = served is not None and (visit.caller.sees(name) or is_own(visit.caller, served.spec.owners))
    is_old = path is None or _is_older(path, OTHERS_SECONDS)
    return served.spec if served is not None and is_theirs and is_old else None


def _is_older(path: Path, seconds: float) -> bool:
    """Return whether a file was written longer ago, or is not there."""
    try:
        return time.time() - path.stat().st_mtime > seconds
    except OSError:
        return True


def _to(page: str, query: Mapping[str, str]) -> Response:
    return RedirectResponse(f"{NEW}/{page}?{urlencode(query)}", SEE_OTHER)
