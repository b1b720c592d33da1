"""The two pages of a sign-in with a provider: the way there, and the way back."""

import logging

from starlette.responses import RedirectResponse

from modelops_pipelines.core.access.identities import Provider, person_of
from modelops_pipelines.core.errors import UnknownError
from modelops_pipelines.gateway.http.guarded_router import PUBLIC
from modelops_pipelines.gateway.pages.identity.client import ProviderClient
from modelops_pipelines.gateway.pages.identity.flow import LONGEST_COOKIE, SECONDS, flow_of, new_flow
from modelops_pipelines.gateway.pages.page_router import SEE_OTHER, SIGN_IN, Answer, PageRouter
from modelops_pipelines.gateway.pages.sign_in import next_of, welcome
from modelops_pipelines.gateway.pages.visits import FLOW, Visit, cookie
from modelops_pipelines.store.stores import Stores

CALLBACK = f"{SIGN_IN}/callback"
_LOG = logging.getLogger("modelops.gateway")


def add_provider_sign_in(pages: PageRouter, stores: Stores, provider: Provider | None) -> None:
    """Add the pages; without a provider they say so."""
    address = f"{stores.settings.links_to_gateway}{CALLBACK}"
    client = None if provider is None else ProviderClient(provider, address)

    @pages.get("/sign-in/provider", role=PUBLIC)
    def leave(visit: Visit) -> Answer:
        flow = new_flow(visit.secret, next_of(visit.query.get("next", "")), stores.now())
        response = RedirectResponse(_known(client).address_of(flow), SEE_OTHER)
        pages.cookies.begin_flow(response, flow.cookie, SECONDS)
        return response

    @pages.get("/sign-in/callback", role=PUBLIC)
    def come_back(visit: Visit) -> Answer:
        known, given = _known(client), cookie(visit.request, FLOW, LONGEST_COOKIE)
        flow = flow_of(visit.secret, given, visit.query.get("state", ""), stores.now())
        claims = known.claims(flow, visit.query)
        person, mapping = person_of(known.provider, claims), known.provider.mapping
        value, _ = stores.sessions.begin_by_provider(
            person.name, person.grant.roles, person.grant.teams, stores.now(), mapping=mapping
        )
        _LOG.info("%s signed in, subject %r of %s", person.name, claims["sub"], known.provider.issuer)
        response = welcome(pages, stores, visit, value, next_of(flow.wanted))
        pages.cookies.end_flow(response)
        return response


def _known(client: ProviderClient | None) -> ProviderClient:
    if client is None:
        raise UnknownError("This gateway has no provider of identities", "Sign in with an API key")
    return client
