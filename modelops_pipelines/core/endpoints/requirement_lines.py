"""Lines of requirements: names of packages with releases, in one form."""

import re

LOADERS = ("mlflow", "mlflow-skinny")
"""One of these packages loads a model in an environment of its own."""
_NAME = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[^\]]*\])?\s*(.*)")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_CONDITIONS = "<>=!~"


def without_comment(line: str) -> str:
    """Return a line without its comment and the spaces around it; empty where nothing else is there."""
    return _COMMENT.sub("", line).strip()


def names_release(line: str) -> bool:
    """Return whether a line names a package of an index, and nothing else: no address, path or option."""
    return bool(_NAME.fullmatch(line)) and not ("@" in line or "://" in line or line.endswith("\\") or "--" in line)


def normal_requirement(line: str) -> str | None:
    """Return a line with the package's name as indexes write it, and without spaces that say nothing.

    None for a line that cannot be read, or does not name a release.
    """
    found = _NAME.fullmatch(line)
    if found is None or not names_release(line):
        return None
    package, extras, rest = re.sub(r"[-_.]+", "-", found[1]).lower(), (found[2] or "").replace(" ", ""), found[3]
    releases, _, marker = rest.partition(";")
    pinned = ",".join(sorted(part.replace(" ", "") for part in releases.strip(" ()").split(",") if part.strip()))
    if pinned and pinned[0] not in _CONDITIONS:
        return None
    condition = f"; {marker.strip()}" if marker.strip() else ""
    return f"{package}{extras}" + (f" {pinned}" if pinned else "") + condition


def package_of(requirement: str) -> str:
    """Return the name of a line's package, as indexes write it, from its normal form."""
    return requirement.partition(" ")[0].partition("[")[0].partition(";")[0]
