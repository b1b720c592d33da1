"""Every page with the role that it needs, written by hand, so that a change of the code's own is seen."""

OF_ENDPOINT = {
    "GET /ui/endpoints/{endpoint}": "read",
    "GET /ui/endpoints/{endpoint}/live": "read",
    "GET /ui/endpoints/{endpoint}/{table}.csv": "read",
    "GET /ui/endpoints/{endpoint}/release": "read",
    "GET /ui/endpoints/{endpoint}/checklist": "read",
    "GET /ui/endpoints/{endpoint}/release/{action}": "operate",
    "POST /ui/endpoints/{endpoint}/release/{action}": "operate",
    "GET /ui/endpoints/{endpoint}/improve": "read",
    "GET /ui/endpoints/{endpoint}/improve/review/{number}": "read",
    "GET /ui/endpoints/{endpoint}/improve/feedback/{feedback_id}": "operate",
    "GET /ui/endpoints/{endpoint}/release/versions/{version}": "operate",
    "POST /ui/endpoints/{endpoint}/improve/review/{number}": "operate",
    "POST /ui/endpoints/{endpoint}/improve/feedback/{feedback_id}/{act}": "operate",
    "GET /ui/endpoints/{endpoint}/try": "predict",
    "POST /ui/endpoints/{endpoint}/try": "predict",
    "GET /ui/endpoints/{endpoint}/alert-rules": "read",
    "GET /ui/endpoints/{endpoint}/alert-rules/edit": "operate",
    "POST /ui/endpoints/{endpoint}/alert-rules": "operate",
    "POST /ui/endpoints/{endpoint}/alert-rules/try": "operate",
    "POST /ui/endpoints/{endpoint}/alert-rules/{rule}/remove": "operate",
}
"""Pages of one endpoint: of another team's they answer as of one that is not there."""
OF_SEVERAL = {
    "GET /ui/": "read",
    "GET /ui/alerts": "read",
    "GET /ui/alerts/{number}": "read",
    "POST /ui/alerts/{number}/acknowledge": "operate",
    "POST /ui/alerts/{number}/resolve": "operate",
    "GET /ui/silences": "read",
    "POST /ui/silences": "operate",
    "POST /ui/silences/{number}/end": "operate",
    "GET /ui/new": "operate",
    "GET /ui/new/model": "operate",
    "GET /ui/new/configure": "operate",
    "POST /ui/new/configure": "operate",
    "POST /ui/new/review": "operate",
    "POST /ui/new/write": "operate",
    "POST /ui/new/download": "operate",
    "GET /ui/new/written": "operate",
    "GET /ui/keys": "admin",
    "GET /ui/keys/new": "admin",
    "POST /ui/keys": "admin",
    "GET /ui/keys/{key_id}": "admin",
    "POST /ui/keys/{key_id}/rotate": "admin",
    "POST /ui/keys/{key_id}/revoke": "admin",
}
PUBLIC = {
    "GET /ui", "GET /ui/static/{stamp}/{name}", "GET /ui/sign-in", "POST /ui/sign-in", "POST /ui/sign-out",
    "GET /ui/sign-in/provider", "GET /ui/sign-in/callback",
    "GET /ui/widget.js", "GET /ui/widget/{endpoint}", "POST /ui/widget/{endpoint}",
}  # fmt: skip
"""Those of the feedback widget ask for a key instead of a session: see test_feedback_widget."""
PAGES = {**OF_ENDPOINT, **OF_SEVERAL}
