"""The tables of the state on who may do what: API keys, and sessions of people who are signed in to the pages."""

from modelops_pipelines.core.tables.columns import Table, column, moment, text

ACCESS_STATE = (
    Table(
        "keys",
        "API keys of the gateway. The key itself is shown once and never stored.",
        (
            text("key_id", "the part of the key that identifies it"),
            text("name", "the key's name: person or system"),
            text("mode", "live or test"),
            column("json", "roles", "predict, feedback, read, operate, admin"),
            column("json", "endpoints", "the endpoints in its scope; JSON null for all"),
            text("digest", "SHA-256 of the whole key"),
            moment("created_at", "when"),
            text("created_by", "who created it"),
            column("timestamp", "expires_at?", "rejected from then on"),
            column("timestamp", "revoked_at?", "rejected since then"),
            text("replaces?", "the key that it replaced by rotation"),
            text("team?", "the team whose endpoints are its scope, as the configurations name them"),
        ),
        ("key_id",),
    ),
    Table(
        "sessions",
        "Sessions of people who are signed in to the pages. The cookie itself is never stored.",
        (
            text("digest", "SHA-256 of the cookie's value"),
            text("name", "who is signed in: the key's name, or the person that the provider names"),
            text("key_id?", "the key by which it was begun, and with which it ends; null: by a provider"),
            column("json", "roles", "what it permits; JSON null: what its key does"),
            column("json", "teams", "the teams whose endpoints are its scope; JSON null: the key's scope, or all"),
            moment("created_at", "when the person signed in"),
            moment("expires_at", "over from then on"),
            column("timestamp", "ended_at?", "when the person signed out"),
        ),
        ("digest",),
    ),
)
