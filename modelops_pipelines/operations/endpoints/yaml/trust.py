"""Parses an endpoint's section ``trust``: whose models load although they can execute code."""

from modelops_pipelines.core.endpoints.trust import Trust
from modelops_pipelines.operations.endpoints.yaml.positions import Report, Section

_KEYS = ("signed_by",)
_UNPROVEN = ("registry", "registered_by")
"""Keys that people expect, and that MLflow cannot stand for."""


def parse_trust(at: Section, report: Report) -> Trust:
    """Return the section, or what holds without it."""
    if "trust" not in at.places:
        return Trust()
    inner = report.section(at.places["trust"], (*_KEYS, *_UNPROVEN))
    for key in _UNPROVEN:
        if key in inner.places:
            problem = (
                "proves nothing: MLflow's server records no author of a version, and the user of its run is what the "
                "client says"
            )
            report.refuse(inner.places[key].path, problem, "Trust who signed: 'signed_by: [keys/ci.pub]'")
    return Trust(signed_by=inner.texts("signed_by"))
