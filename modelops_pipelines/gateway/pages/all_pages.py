"""Adds every page to the gateway's application."""

from dataclasses import dataclass

from fastapi import FastAPI

from modelops_pipelines.core.access.identities import Provider
from modelops_pipelines.gateway.access.keyring import Keyring
from modelops_pipelines.gateway.hot_path.predict import Predictor
from modelops_pipelines.gateway.pages.access.keys import add_key_pages
from modelops_pipelines.gateway.pages.alerting.alerts import add_alert_pages
from modelops_pipelines.gateway.pages.alerting.rules import add_rule_pages
from modelops_pipelines.gateway.pages.alerting.silences import add_silence_pages
from modelops_pipelines.gateway.pages.feedback_widget import add_feedback_widget
from modelops_pipelines.gateway.pages.identity.pages import add_provider_sign_in
from modelops_pipelines.gateway.pages.improve.lineage import add_lineage_pages
from modelops_pipelines.gateway.pages.improve.pages import add_improve_pages
from modelops_pipelines.gateway.pages.monitor.endpoint import add_endpoint_page
from modelops_pipelines.gateway.pages.overview import add_overview
from modelops_pipelines.gateway.pages.page_router import PageRouter
from modelops_pipelines.gateway.pages.playground.pages import add_try_pages
from modelops_pipelines.gateway.pages.release.pages import add_release_pages
from modelops_pipelines.gateway.pages.sign_in import add_sign_in
from modelops_pipelines.gateway.pages.static_files import add_static_files
from modelops_pipelines.gateway.pages.wizard.pages import add_wizard
from modelops_pipelines.gateway.routes.improve.responses import Responses
from modelops_pipelines.gateway.worker.state_follower import Serving
from modelops_pipelines.store.stores import Stores


@dataclass(frozen=True)
class Captured:
    """What writes to this worker's spool: predictions that people try, and feedback."""

    predictor: Predictor
    responses: Responses


def add_pages(
    app: FastAPI,
    stores: Stores,
    serving: Serving,
    keyring: Keyring,
    captured: Captured,
    provider: Provider | None = None,
) -> None:
    """Add the pages; ``app.state.pages`` has the role of each by "METHOD path".

    ``provider`` is whom people sign in with, beside API keys.
    """
    pages = PageRouter(app, stores, keyring)
    add_static_files(pages)
    add_sign_in(pages, stores, keyring, provider)
    add_provider_sign_in(pages, stores, provider)
    add_endpoint_page(pages, serving, stores)
    add_overview(pages, serving, stores)
    add_release_pages(pages, serving, stores)
    add_improve_pages(pages, serving, stores)
    add_lineage_pages(pages, serving, stores)
    add_try_pages(pages, serving, stores, keyring, captured.predictor)
    add_alert_pages(pages, serving, stores)
    add_silence_pages(pages, stores)
    add_rule_pages(pages, serving, stores)
    add_key_pages(pages, serving, stores, keyring)
    add_feedback_widget(pages, serving, stores, keyring, captured.responses)
    add_wizard(pages, serving, stores)
