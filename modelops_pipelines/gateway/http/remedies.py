"""Remedies for callers: a command that a remedy names is told with the route that does the same.

Operations serve the command line and the gateway, and their errors name commands. A caller of the gateway may have no
shell on its host; a person who reads the answer there may have no key.
"""

import json
import re
from dataclasses import dataclass
from typing import Final

_HOST: Final = "on the gateway's host"
HOST: Final = "run modelops commands on the gateway's host"
_POSITIONAL, _OPTION = r" [A-Za-z0-9_]+", r" --[a-z-]+(?: (?:[A-Z][A-Z_]*|\d+))?"
_ONE_OPTION, _PARAMETER = re.compile(r"--([a-z-]+)(?: (?!--)(\S+))?"), re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Route:
    """A route as ``METHOD /path``, and which arguments of the command after those of its path stand in its body.

    ``body`` None: the route takes no such body, and further arguments are left out.
    """

    name: str
    body: tuple[str, ...] | None = None


_ENDPOINT = "/endpoints/{endpoint}"
_EVERY_STATE = "state=pending&state=open&state=acknowledged&state=resolved"
ROUTE_OF: Final = {
    "ab end": Route(f"POST {_ENDPOINT}/ab-tests/{{name}}/end"),
    "ab list": Route(f"GET {_ENDPOINT}/ab-tests"),
    "ab start": Route(f"POST {_ENDPOINT}/ab-tests", ("version",)),
    "alert dead-letters": Route("GET /dead-letters"),
    "alert dead-letters --resend --all": Route("POST /dead-letters/resend"),
    "alert list": Route("GET /alerts"),
    "alert list --all": Route(f"GET /alerts?{_EVERY_STATE}"),
    "alert rules": Route(f"GET {_ENDPOINT}/alert-rules"),
    "alert silences": Route("GET /silences"),
    "alert unsilence": Route("DELETE /silences/{number}"),
    "checklist": Route(f"GET {_ENDPOINT}/checklist"),
    "deploy": Route(f"POST {_ENDPOINT}/deployments", ("version",)),
    "deployments": Route("GET /deployments"),
    "endpoint add": Route("POST /endpoints"),
    "endpoint list": Route("GET /endpoints"),
    "endpoint start": Route(f"POST {_ENDPOINT}/start", ()),
    "evaluate": Route(f"POST {_ENDPOINT}/evaluations", ("version",)),
    "feedback list": Route(f"GET {_ENDPOINT}/feedback"),
    "feedback show": Route(f"GET {_ENDPOINT}/feedback/{{feedback_id}}"),
    "health-score": Route(f"GET {_ENDPOINT}/health-score"),
    "history": Route(f"GET {_ENDPOINT}/events"),
    "key create": Route("POST /keys"),
    "key list": Route("GET /keys"),
    "model archive": Route(f"POST {_ENDPOINT}/versions/{{version}}/archive", ()),
    "model list": Route(f"GET {_ENDPOINT}/versions"),
    "model registered": Route("GET /models"),
    "model restore": Route(f"POST {_ENDPOINT}/versions/{{version}}/restore", ()),
    "model tests": Route(f"GET {_ENDPOINT}/tests"),
    "promote": Route(f"POST {_ENDPOINT}/promote", ("version",)),
    "review list": Route(f"GET {_ENDPOINT}/review"),
    "review reopen": Route(f"POST {_ENDPOINT}/review/{{item}}/reopen", ()),
    "rollback": Route(f"POST {_ENDPOINT}/rollback", ()),
    "shadow end": Route(f"POST {_ENDPOINT}/shadow/end", ()),
    "shadow show": Route(f"GET {_ENDPOINT}/shadow"),
    "shadow start": Route(f"POST {_ENDPOINT}/shadow", ("version",)),
    "slo": Route(f"GET {_ENDPOINT}/slos"),
    "training-set list": Route(f"GET {_ENDPOINT}/training-sets"),
    "trials": Route(f"GET {_ENDPOINT}/trials"),
}
"""Commands with a route that does the same, by their words."""
_ARGUMENTS = rf"(?P<arguments>(?:{_POSITIONAL})*)(?P<options>(?:{_OPTION})*)"
_WORDS = "|".join(map(re.escape, sorted(ROUTE_OF, key=len, reverse=True)))
_COMMAND: Final = re.compile(rf"modelops (?P<words>{_WORDS})(?![\w-])(?! export){_ARGUMENTS}")
_OPTIONS: Final = re.compile(rf"{_COMMAND.pattern}|(?P<alone>(?:{_OPTION})+)")


def for_callers(remedy: str) -> str:
    """Return the remedy with the routes of its commands; it says where to run a command that has no route.

    Options without a command are told as fields of the body too. A remedy that says itself where to run it stays.
    """
    if _HOST in remedy:
        return remedy
    if "modelops " in _COMMAND.sub("", remedy):
        return f"{_COMMAND.sub(_with_route, remedy)} ({HOST})"
    return _OPTIONS.sub(_with_route, remedy)


def _with_route(found: re.Match[str]) -> str:
    groups = found.groupdict()
    if groups["words"] is None:
        return f"{found[0]} ({json.dumps(_fields(found['alone']))} in the body)"
    return f"{_as_route(found['words'], found['arguments'], found['options'])} ({found[0]})"


def _as_route(words: str, arguments: str, options: str) -> str:
    route, given = ROUTE_OF[words], arguments.split()
    wanted, name = _PARAMETER.findall(route.name), route.name
    for parameter, value in zip(wanted, given, strict=False):
        name = name.replace(f"{{{parameter}}}", value)
    if route.body is None:
        return name
    body = dict(zip(route.body, given[len(wanted) :], strict=False)) | _fields(options)
    return f"{name} with {json.dumps(body)}" if body else name


def _fields(options: str) -> dict[str, str | int | bool]:
    found = _ONE_OPTION.findall(options)
    return {name: int(text) if name == "share" and text.isdigit() else text or True for name, text in found}
