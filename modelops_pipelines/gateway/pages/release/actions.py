"""What a person may change on the release page, each with a page that says before what will happen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.errors import InputError, UnknownError
from modelops_pipelines.gateway.pages.numbers import version_of
from modelops_pipelines.gateway.pages.visits import Visit
from modelops_pipelines.store.stores import Stores

LONGEST_REASON = 1000
_NUMBER = 9


@dataclass(frozen=True)
class Field:
    """A field of an action's form. ``kind`` is text, number or tick; numbers are whole, from ``least`` to ``most``."""

    name: str
    label: str
    kind: str = "text"
    about: str = ""
    required: bool = False
    default: str = ""
    least: int = 1
    most: int = 100


@dataclass(frozen=True)
class Asked:
    """What a person has filled in: the version, and the form's values."""

    version: str
    actor: str
    reason: str
    values: Mapping[str, Any]


Run = Callable[[Stores, EndpointSpec, Asked], str]
"""Returns the sentence of what was done, or would be."""


@dataclass(frozen=True)
class Action:
    """A change: its name, words for people, the form, what does it, and what says what it would do, if anything can."""

    name: str
    title: str
    about: str
    run: Run
    fields: tuple[Field, ...] = ()
    needs_version: bool = False
    needs_reason: bool = False
    is_dangerous: bool = False
    preview: Run | None = None


SHARE = Field(
    "share", "Share of the traffic, percent", "number", "100 replaces the champion, less is a trial", default="100"
)
FORCE = Field("force", "Without a passed gate", "tick", "needs the role admin and a reason, which the history keeps")


def _deploy(stores: Stores, spec: EndpointSpec, asked: Asked, *, dry_run: bool = False) -> str:
    from modelops_pipelines.operations.release.commands import deploy

    change = deploy(
        stores,
        spec,
        asked.version,
        share=asked.values["share"],
        force=asked.values["force"],
        actor=asked.actor,
        reason=asked.reason,
        dry_run=dry_run,
    )
    return change.sentence


def _promote(stores: Stores, spec: EndpointSpec, asked: Asked, *, dry_run: bool = False) -> str:
    from modelops_pipelines.operations.release.commands import promote

    force = asked.values["force"]
    return promote(
        stores, spec, asked.version, force=force, actor=asked.actor, reason=asked.reason, dry_run=dry_run
    ).sentence


def _roll_back(stores: Stores, spec: EndpointSpec, asked: Asked, *, dry_run: bool = False) -> str:
    from modelops_pipelines.operations.release.commands import roll_back

    to = asked.version or None
    return roll_back(stores, spec, to=to, actor=asked.actor, reason=asked.reason, dry_run=dry_run).sentence


def _undo(stores: Stores, spec: EndpointSpec, asked: Asked, *, dry_run: bool = False) -> str:
    from modelops_pipelines.operations.release.rollbacks import undo_rollback

    force = asked.values["force"]
    return undo_rollback(stores, spec, actor=asked.actor, reason=asked.reason, force=force, dry_run=dry_run).sentence


def _stop(stores: Stores, spec: EndpointSpec, asked: Asked, *, dry_run: bool = False) -> str:
    from modelops_pipelines.operations.release.commands import stop

    return stop(stores, spec, actor=asked.actor, reason=asked.reason, dry_run=dry_run).sentence


def _start(stores: Stores, spec: EndpointSpec, asked: Asked, *, dry_run: bool = False) -> str:
    from modelops_pipelines.operations.release.commands import start

    return start(stores, spec, actor=asked.actor, reason=asked.reason, dry_run=dry_run).sentence


def _shadow(stores: Stores, spec: EndpointSpec, asked: Asked) -> str:
    from modelops_pipelines.operations.release.trials.shadow import start_shadow

    return start_shadow(
        stores, spec, asked.version, share=asked.values["share"], actor=asked.actor, reason=asked.reason
    ).sentence


def _end_shadow(stores: Stores, spec: EndpointSpec, asked: Asked) -> str:
    from modelops_pipelines.operations.release.commands import end_shadow

    return end_shadow(stores, spec, actor=asked.actor, reason=asked.reason).sentence


def _compare(stores: Stores, spec: EndpointSpec, asked: Asked) -> str:
    from modelops_pipelines.operations.release.trials.ab_tests import Terms, start_experiment

    terms = Terms(asked.values["error_rate"] / 100, asked.values["planned"])
    name, share = asked.values["name"], asked.values["share"]
    return start_experiment(
        stores, spec, asked.version, name=name, share=share, terms=terms, actor=asked.actor, reason=asked.reason
    ).sentence


def _decide(stores: Stores, spec: EndpointSpec, asked: Asked) -> str:
    from modelops_pipelines.operations.release.trials.ab_tests import end_experiment

    decision, force = "promote" if asked.values["promote"] else "keep", asked.values["force"]
    return end_experiment(
        stores,
        spec,
        decision,  # type: ignore[arg-type] # one of both words
        actor=asked.actor,
        reason=asked.reason,
        force=force,
    ).sentence


def _archive(stores: Stores, spec: EndpointSpec, asked: Asked) -> str:
    from modelops_pipelines.operations.release.commands import archive

    done = archive(stores, spec, asked.version, actor=asked.actor, reason=asked.reason)
    return f"Version {asked.version} is archived" if done else f"Version {asked.version} was archived already"


def _restore(stores: Stores, spec: EndpointSpec, asked: Asked) -> str:
    from modelops_pipelines.operations.release.commands import restore

    done = restore(stores, spec, asked.version, actor=asked.actor, reason=asked.reason)
    return f"Version {asked.version} can be deployed again" if done else f"Version {asked.version} was not archived"


_COMPARED = (
    Field("name", "Name of the test", required=True),
    Field("share", "Share of callers, percent", "number", "that this version answers", default="50", most=99),
    Field("error_rate", "Error rate, percent", "number", "of finding a difference between equal versions", default="5"),
    Field("planned", "Labelled callers planned", "number", "where the test is sharpest", default="10000", most=10**9),
)
ACTIONS: Final[Mapping[str, Action]] = {
    one.name: one
    for one in (
        Action(
            "deploy",
            "Deploy",
            "Every gateway worker loads and tries the version before it answers a caller; what fails is taken back.",
            _deploy,
            (SHARE, FORCE),
            needs_version=True,
            preview=partial(_deploy, dry_run=True),
        ),
        Action(
            "promote",
            "Promote",
            "The version goes one step further on the promotion plan; the last step makes it the champion.",
            _promote,
            (FORCE,),
            needs_version=True,
            preview=partial(_promote, dry_run=True),
        ),
        Action(
            "rollback",
            "Roll back",
            "A version on trial is withdrawn; else the champion before this one answers again, in seconds.",
            _roll_back,
            is_dangerous=True,
            preview=partial(_roll_back, dry_run=True),
        ),
        Action(
            "undo",
            "Undo the rollback",
            "What the newest rollback removed answers again, with the shares that it had. Say why.",
            _undo,
            (Field("force", "Although a guard rolled it back", "tick", "needs the role admin"),),
            needs_reason=True,
            is_dangerous=True,
            preview=partial(_undo, dry_run=True),
        ),
        Action(
            "stop",
            "Stop",
            "Callers are refused until the endpoint is started again.",
            _stop,
            is_dangerous=True,
            preview=partial(_stop, dry_run=True),
        ),
        Action(
            "start",
            "Start",
            "The endpoint answers again, with the versions that it had.",
            _start,
            preview=partial(_start, dry_run=True),
        ),
        Action(
            "shadow",
            "Start a shadow",
            "The version answers logged requests; its answers are compared and never returned.",
            _shadow,
            (Field("share", "Share of requests, percent", "number", "that are compared", default="100"),),
            needs_version=True,
        ),
        Action("end-shadow", "End the shadow", "What it has answered stays in the lake.", _end_shadow),
        Action(
            "ab-test",
            "Start an A/B test",
            "The version answers a share of the callers until a person ends the test.",
            _compare,
            _COMPARED,
            needs_version=True,
        ),
        Action(
            "end-ab-test",
            "End the A/B test",
            "Keep the champion, or promote the other version, which needs a significant result and a passed gate.",
            _decide,
            (Field("promote", "Promote the challenger", "tick"), FORCE),
        ),
        Action(
            "archive",
            "Archive",
            "No endpoint may serve the version until it is restored; its files and history stay.",
            _archive,
            needs_version=True,
        ),
        Action("restore", "Restore", "The version can be deployed again.", _restore, needs_version=True),
    )
}


def action_named(name: str) -> Action:
    """Return an action; raises UnknownError."""
    found = ACTIONS.get(name)
    if found is None:
        raise UnknownError(f"There is no action {name[:40]!r}", f"Use one of: {', '.join(ACTIONS)}")
    return found


def asked_of(action: Action, visit: Visit) -> Asked:
    """Return what the form says; raises InputError that names the field, ForbiddenError for force without admin."""
    version = visit.text("version")
    if action.needs_version or version:
        version = version_of(version)
    values = {field.name: _value(field, visit) for field in action.fields}
    if values.get("force"):
        visit.caller.require("admin", visit.path["endpoint"])
    reason = visit.required("reason", LONGEST_REASON) if action.needs_reason else visit.text("reason", LONGEST_REASON)
    return Asked(version, visit.caller.name, reason, values)


def _value(field: Field, visit: Visit) -> Any:
    if field.kind == "tick":
        return visit.text(field.name) == "yes"
    given = visit.required(field.name) if field.required else visit.text(field.name) or field.default
    if field.kind == "text":
        return given
    number = int(given) if given.isdecimal() and len(given) <= _NUMBER + 1 else None
    if number is None or not field.least <= number <= field.most:
        raise InputError(f"{field.label}: {given[:40]!r} is not a whole number", f"Use {field.least} to {field.most}")
    return number
