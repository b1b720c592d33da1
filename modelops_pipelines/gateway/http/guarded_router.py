"""The only way to add a route to the FastAPI application: with its required role, or marked as public.

The key is checked before the body is read, and again when it has come. The error statuses of a route are declared with
it, so that the OpenAPI document lists them.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import Depends, FastAPI, Path, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader

from modelops_pipelines.core.access.api_keys import KEY_HEADER, ROLES
from modelops_pipelines.core.errors import MalformedError, MediaTypeError, TooLargeError
from modelops_pipelines.gateway.access.keyring import Caller, Keyring
from modelops_pipelines.gateway.http.bounded_body import read_at_most
from modelops_pipelines.gateway.http.query_parameters import check_query, declared_parameters
from modelops_pipelines.gateway.http.response_models import error_responses

PUBLIC: Final = "public"
Access = Literal["predict", "feedback", "read", "operate", "admin", "public"]
Handler = TypeVar("Handler", bound=Callable[..., Any])
Register = Callable[[Handler], Handler]
Handle = Callable[[Request], Awaitable[Response]]
JSON = "application/json"
MAX_BODY_BYTES = 8 * 1024 * 1024
NAME_LENGTH = 100
_SCHEME = APIKeyHeader(name=KEY_HEADER, scheme_name="api_key", auto_error=False)


def caller_of(request: Request) -> Caller:
    """Return the request's caller, which the guard authenticated before the handler runs."""
    caller: Caller = request.state.caller
    return caller


CallerOf = Annotated[Caller, Depends(caller_of)]
EndpointName = Annotated[str, Path(max_length=NAME_LENGTH)]


class Router:
    """Adds guarded routes to an application."""

    def __init__(self, app: FastAPI, keyring: Keyring) -> None:
        """Authenticate the application's requests by this keyring."""
        self._app, self._keyring = app, keyring
        app.state.roles = {}

    def get(self, path: str, *, role: Access, **options: Any) -> Register[Any]:
        """Add a GET route; ``options`` are those of ``add``."""
        return self.add("GET", path, role=role, **options)

    def post(self, path: str, *, role: Access, **options: Any) -> Register[Any]:
        """Add a POST route; its body is at most MAX_BODY_BYTES."""
        return self.add("POST", path, role=role, **options)

    def delete(self, path: str, *, role: Access, **options: Any) -> Register[Any]:
        """Add a DELETE route."""
        return self.add("DELETE", path, role=role, **options)

    def add(
        self,
        method: str,
        path: str,
        *,
        role: Access,
        filters_endpoints: bool = False,
        filters_teams: bool = False,
        error_statuses: tuple[int, ...] = (),
        **options: Any,
    ) -> Register[Any]:
        """Return the decorator that adds a handler; raises ValueError for an unknown role.

        A key scoped to endpoints may use routes with {endpoint} in their path, and those with ``filters_endpoints``,
        whose answers must leave out the endpoints outside the key's scope. A key of a whole team may also use those
        with ``filters_teams``, which must leave out what is not the team's. ``error_statuses`` are documented beside
        the statuses that every route of this kind may return.
        """
        if role not in (*ROLES, PUBLIC):
            raise ValueError(f"{method} {path}: {role!r} is not a role; use one of {', '.join((*ROLES, PUBLIC))}")
        statuses = sorted({*_common_error_statuses(method, path, role), *error_statuses})
        security = [] if role == PUBLIC else [Security(_SCHEME)]
        declared = {**error_responses(statuses), **options.pop("responses", {})}

        def register(handler: Handler) -> Handler:
            guard = partial(self._guard, role, filters_endpoints, filters_teams)
            self._app.router.add_api_route(
                path,
                handler,
                methods=[method],
                dependencies=security,
                responses=declared,
                route_class_override=_guarded_route_class(guard, reads_body=method == "POST", public=role == PUBLIC),
                **options,
            )
            self._app.state.roles[f"{method} {path}"] = role
            return handler

        return register

    def _guard(self, role: Access, filters_endpoints: bool, filters_teams: bool, request: Request) -> None:  # noqa: FBT001 - bound by partial
        """Authenticate and authorise the caller; raises UnauthenticatedError or ForbiddenError."""
        if role == PUBLIC:
            return
        caller = self._keyring.authenticate(request.headers.get(KEY_HEADER), datetime.now(UTC))
        if filters_endpoints or (filters_teams and caller.teams is not None):
            caller.require_role(role)
        else:
            caller.require(role, request.path_params.get("endpoint"))
        request.state.caller = caller


def declared_roles(app: FastAPI) -> Mapping[str, Access]:
    """Return each route's role by "METHOD path"; raises ValueError for a route that declares no role."""
    declared: Mapping[str, Access] = app.state.roles
    for route in app.routes:
        methods = (route.methods or ()) if isinstance(route, APIRoute) else ("ANY",)
        names = [f"{method} {getattr(route, 'path', route)}" for method in methods]
        missing = [name for name in names if name not in declared]
        if missing:
            raise ValueError(f"{missing[0]} declares no role; add the route with Router")
    return dict(declared)


def _common_error_statuses(method: str, path: str, role: Access) -> set[int]:
    """Return the error statuses that every route of this method, path and role may return."""
    found = {400, 403, 500, 503}
    if role != PUBLIC:
        found |= {401, 422, 429}
    if "{" in path:
        found |= {404, 422}
    if method == "POST":
        found |= {408, 413, 415, 422}
    return found


def _guarded_route_class(guard: Callable[[Request], None], *, reads_body: bool, public: bool) -> type[APIRoute]:
    """Return a route class that calls the guard, checks the query, then reads at most MAX_BODY_BYTES of the body.

    A public route without parameters takes any query: probes may add one to get past a cache.
    """

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Any:
            handle, parameters = super().get_route_handler(), declared_parameters(self.dependant)

            async def guarded(request: Request) -> Response:
                guard(request)
                if parameters or not public:
                    check_query(request, parameters)
                if not reads_body:
                    return await handle(request)
                _require_json(request)
                whole = await _read_body(request)
                guard(request)  # the key may have been revoked while the body came
                return await handle(whole)

            return guarded

    return GuardedRoute


def _require_json(request: Request) -> None:
    """Raise MediaTypeError for a body of any type but JSON, or of none: a foreign page's form could send those."""
    given = request.headers.get("content-type", "")
    name = given.partition(";")[0].strip().lower()
    if name != JSON and not (name.startswith("application/") and name.endswith("+json")):
        what = f"is {given[:80]!r}" if given else "is missing"
        raise MediaTypeError(f"The header Content-Type {what}", f"Send the header Content-Type: {JSON}")


async def _read_body(request: Request) -> Request:
    """Return the request with its body in memory; raises TooLargeError, or MalformedError for an incomplete body."""
    too_large = TooLargeError(f"The body is over {MAX_BODY_BYTES // 2**20} MiB", "Split it into several requests")
    incomplete = MalformedError("The body is incomplete", "Send the whole body")
    body = await read_at_most(request, MAX_BODY_BYTES, too_large, incomplete)

    async def replay() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(request.scope, replay)
