"""The one way to add a route to the FastAPI application: with the role that it needs, or marked as public.

A route is guarded before its body is read. What it answers when it refuses is declared with it, so that the OpenAPI
document is true.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import Depends, FastAPI, Path, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader
from starlette.requests import ClientDisconnect

from modelops_pipelines.core.access.api_keys import ROLES
from modelops_pipelines.core.errors import MalformedError, TooLargeError
from modelops_pipelines.gateway.access.keyring import HEADER, Caller, Keyring
from modelops_pipelines.gateway.http.response_models import refusals

PUBLIC: Final = "public"
Access = Literal["predict", "read", "operate", "admin", "public"]
Handler = TypeVar("Handler", bound=Callable[..., Any])
Register = Callable[[Handler], Handler]
Handle = Callable[[Request], Awaitable[Response]]
MAX_BODY_BYTES = 8 * 1024 * 1024
NAME_LENGTH = 100
_SCHEME = APIKeyHeader(name=HEADER, scheme_name="api_key", auto_error=False)


def caller_of(request: Request) -> Caller:
    """Return who calls: the guard has found it out before the handler runs."""
    caller: Caller = request.state.caller
    return caller


CallerOf = Annotated[Caller, Depends(caller_of)]
EndpointName = Annotated[str, Path(max_length=NAME_LENGTH)]


class Router:
    """Adds guarded routes to an application."""

    def __init__(self, app: FastAPI, keyring: Keyring) -> None:
        """Guard the application's routes with this keyring."""
        self._app, self._keyring = app, keyring
        app.state.roles = {}

    def get(self, path: str, *, role: Access, **options: Any) -> Register[Any]:
        """Add a route that reads; ``options`` are ``add``'s."""
        return self.add("GET", path, role=role, **options)

    def post(self, path: str, *, role: Access, **options: Any) -> Register[Any]:
        """Add a route that takes a body."""
        return self.add("POST", path, role=role, **options)

    def delete(self, path: str, *, role: Access, **options: Any) -> Register[Any]:
        """Add a route that ends something."""
        return self.add("DELETE", path, role=role, **options)

    def add(
        self,
        method: str,
        path: str,
        *,
        role: Access,
        lists: bool = False,
        refuses: tuple[int, ...] = (),
        **options: Any,
    ) -> Register[Any]:
        """Return the decorator that adds a handler; raises ValueError for what is no role.

        A key for some endpoints only may use a route of one ({endpoint} in its path), and those that say by ``lists``
        that they show nothing of others. ``refuses`` are statuses beside those that every such route may answer.
        """
        if role not in (*ROLES, PUBLIC):
            raise ValueError(f"{method} {path}: {role!r} is no role; use one of {', '.join((*ROLES, PUBLIC))}")
        statuses = sorted({*_refused(method, path, role), *refuses})
        security = [] if role == PUBLIC else [Security(_SCHEME)]
        declared = {**refusals(statuses), **options.pop("responses", {})}

        def register(handler: Handler) -> Handler:
            guard = partial(self._guard, role, lists)
            self._app.router.add_api_route(
                path,
                handler,
                methods=[method],
                dependencies=security,
                responses=declared,
                route_class_override=_guarded(guard, reads_body=method == "POST"),
                **options,
            )
            self._app.state.roles[f"{method} {path}"] = role
            return handler

        return register

    def _guard(self, role: Access, lists: bool, request: Request) -> None:  # noqa: FBT001 - bound by partial
        """Find out who calls, and whether they may; raises UnauthenticatedError or ForbiddenError."""
        if role == PUBLIC:
            return
        caller = self._keyring.authenticate(request.headers.get(HEADER), datetime.now(UTC))
        if lists:
            caller.require_role(role)
        else:
            caller.require(role, request.path_params.get("endpoint"))
        request.state.caller = caller


def declared_roles(app: FastAPI) -> Mapping[str, Access]:
    """Return the role of each route, by method and path; raises ValueError for a route that declares none."""
    declared: Mapping[str, Access] = app.state.roles
    for route in app.routes:
        methods = (route.methods or ()) if isinstance(route, APIRoute) else ("ANY",)
        names = [f"{method} {getattr(route, 'path', route)}" for method in methods]
        missing = [name for name in names if name not in declared]
        if missing:
            raise ValueError(f"{missing[0]} declares no role; add it by Router")
    return dict(declared)


def _refused(method: str, path: str, role: Access) -> set[int]:
    """Return the statuses that any route of this kind may refuse with."""
    found = {500, 503}
    if role != PUBLIC:
        found |= {401, 403, 429}
    if "{" in path:
        found |= {404, 422}
    if method == "POST":
        found |= {400, 413, 422}
    return found


def _guarded(guard: Callable[[Request], None], *, reads_body: bool) -> type[APIRoute]:
    """Return a class of routes that ask the guard first, and read no more of a body than is allowed."""

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Any:
            handle = super().get_route_handler()

            async def guarded(request: Request) -> Response:
                guard(request)
                return await handle(await _limited(request) if reads_body else request)

            return guarded

    return GuardedRoute


async def _limited(request: Request) -> Request:
    """Return the same request with its body in memory; raises TooLargeError, MalformedError when it breaks off."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise TooLargeError(f"The body is over {MAX_BODY_BYTES // 2**20} MiB", "Send less at once")
    except ClientDisconnect as error:
        raise MalformedError("The body broke off", "Send all of it") from error

    async def replay() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return Request(request.scope, replay)
