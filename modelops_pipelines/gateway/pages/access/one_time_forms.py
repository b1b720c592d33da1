"""Forms that may be sent once: what a browser sends again when its page is reloaded has no effect."""

import secrets

from modelops_pipelines.core.access.one_time_forms import form_id, is_form_id
from modelops_pipelines.core.errors import ConflictError
from modelops_pipelines.gateway.pages.visits import Visit
from modelops_pipelines.store.stores import Stores

FIELD = "form"
"""The form's field that has its id."""
_BYTES = 24


def new_form(visit: Visit, stores: Stores) -> str:
    """Return the id of a form for this browser and session."""
    return form_id(visit.secret, _bearer(visit), secrets.token_urlsafe(_BYTES), stores.now())


def use_form(visit: Visit, stores: Stores) -> None:
    """Remember that this form was sent; raises ConflictError if it was before, or is not one of this session."""
    given, now = visit.form.get(FIELD, ""), stores.now()
    if not is_form_id(visit.secret, _bearer(visit), given, now):
        raise ConflictError("The form is over a day old, or not of this session", "Load the page again, and fill it in")
    if not stores.sent_forms.add(given, now):
        raise ConflictError(
            "This form was sent before: nothing was done now, and what it made then is not shown again",
            "See the list for what it made; to make one more, load the form again",
        )


def _bearer(visit: Visit) -> str:
    return f"{visit.browser}|{visit.session}"
