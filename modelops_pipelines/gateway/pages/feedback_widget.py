"""The feedback widget: a small form about one prediction that other web pages show in a frame.

It takes no cookie, and so no session: what permits it is a key in its address, which every visitor of that page can
read. Such a key may have the role ``feedback`` alone. Only pages of the setting ``widget_origins`` can show the form.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from modelops_pipelines.core.access.hosts import read_origins
from modelops_pipelines.core.errors import (
    ForbiddenError,
    InputError,
    ModelOpsError,
    TransientError,
    UnauthenticatedError,
)
from modelops_pipelines.gateway.access.keyring import Caller, Keyring
from modelops_pipelines.gateway.http.errors import headers_of, status_of
from modelops_pipelines.gateway.http.request_models import FeedbackMessage
from modelops_pipelines.gateway.pages.files import TYPES, content_of
from modelops_pipelines.gateway.pages.page_router import PageRouter, read_form
from modelops_pipelines.gateway.pages.rendering import POLICY, render
from modelops_pipelines.gateway.routes.improve.responses import Responses
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores

SCRIPT: Final = "widget.js"
_REMEDY: Final = "Who runs the page puts an active key there, with the role feedback alone, for this endpoint"
_OF_SCRIPT: Final = {
    "cache-control": "public, max-age=3600",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "cross-origin",
}
_FIELDS = ("prediction_id", "thumbs", "comment")


def add_feedback_widget(
    pages: PageRouter, serving: Serving, stores: Stores, keyring: Keyring, responses: Responses
) -> None:
    """Add the script that puts the form into a page, the form, and what it sends."""
    widget = _Widget(serving, keyring, responses, read_origins(stores.settings.widget_origins or ""))

    @pages.open_to_all("GET", f"/{SCRIPT}")
    async def script(_: Request) -> Response:
        return Response(content_of(SCRIPT), media_type=TYPES[SCRIPT], headers=_OF_SCRIPT)

    pages.open_to_all("GET", "/widget/{endpoint}")(widget.show)
    pages.open_to_all("POST", "/widget/{endpoint}")(widget.take)


class _Widget:
    """Answers with the form, and with what became of it."""

    def __init__(self, serving: Serving, keyring: Keyring, responses: Responses, origins: tuple[str, ...]) -> None:
        self._serving, self._keyring, self._responses = serving, keyring, responses
        self._policy = POLICY.replace("frame-ancestors 'none'", " ".join(("frame-ancestors 'self'", *origins)))

    async def show(self, request: Request) -> Response:
        given = {name: request.query_params.get(name, "") for name in ("key", "prediction_id")}
        try:
            self._admit(request, given)
        except ModelOpsError as error:
            return self._failed(request, given, error)
        return self._page(request, given)

    async def take(self, request: Request) -> Response:
        given: Mapping[str, str] = {}
        try:
            given = await read_form(request)
            caller, served = self._admit(request, given)
            self._responses.public.count(caller)
            await self._responses.write_feedback(served, _message(given), caller.key_id)
        except ModelOpsError as error:
            return self._failed(request, given, error)
        return self._page(request, given, is_sent=True)

    def _admit(self, request: Request, given: Mapping[str, str]) -> tuple[Caller, ServedEndpoint]:
        """Return who gives feedback on which endpoint.

        Raises UnknownError, UnauthenticatedError and ForbiddenError, also for a key that permits more. Visitors learn
        nothing of the key: neither its name nor what else it reaches.
        """
        endpoint = request.path_params["endpoint"]
        try:
            caller = self._keyring.authenticate(given.get("key"), datetime.now(UTC))
            caller.require("feedback", endpoint)
        except (UnauthenticatedError, ForbiddenError) as error:
            raise type(error)("The key of this page permits no feedback here", _REMEDY) from error
        if caller.key_id is not None and caller.permitted != {"feedback"}:
            raise ForbiddenError("The key of this page permits more than feedback, and everybody can read it", _REMEDY)
        return caller, self._serving.endpoint(endpoint)

    def _failed(self, request: Request, given: Mapping[str, str], error: ModelOpsError) -> Response:
        can_retry = isinstance(error, InputError | TransientError)
        response = self._page(request, given, error, is_form=can_retry, status=status_of(error))
        response.headers.update(headers_of(error))
        return response

    def _page(
        self,
        request: Request,
        given: Mapping[str, str],
        error: ModelOpsError | None = None,
        *,
        is_form: bool = True,
        is_sent: bool = False,
        status: int = 200,
    ) -> Response:
        shown = {name: given.get(name, "") for name in ("key", "prediction_id", "comment")}
        said = {"error": error, "is_form": is_form, "is_sent": is_sent}
        response = render("feedback_widget.html", {"given": shown, "address": request.url.path, **said}, status)
        response.headers["content-security-policy"] = self._policy
        del response.headers["x-frame-options"]
        return response


def _message(given: Mapping[str, str]) -> FeedbackMessage:
    """Return what the form says; raises InputError with the field that is wrong."""
    said = {name: text for name in _FIELDS if (text := given.get(name, "").strip())}
    try:
        return FeedbackMessage.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"The field {first['loc'][0]} is not valid: {first['msg']}", "Correct it, and send it again"
        ) from error
