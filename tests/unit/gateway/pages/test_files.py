"""The pages' own files: what is served, under which address, and that the one of others is as it was published."""

import hashlib
import re
from importlib.resources import files

import pytest

from modelops_pipelines.gateway.pages.files import HTMX, TYPES, address_of, content_of

STATIC = files("modelops_pipelines.gateway.pages").joinpath("static")
TEMPLATES = files("modelops_pipelines.gateway.pages").joinpath("templates")


def test_htmx_is_what_its_package_has_and_its_licence_lies_beside_it() -> None:
    assert HTMX[1] == hashlib.sha256(content_of("htmx.min.js")).hexdigest()
    assert f'"{HTMX[0]}"'.encode() in content_of("htmx.min.js")
    assert "Zero-Clause BSD" in STATIC.joinpath("htmx.LICENSE").read_text()


@pytest.mark.parametrize("name", TYPES)
def test_an_address_changes_with_the_content(name: str) -> None:
    assert hashlib.sha256(content_of(name)).hexdigest()[:12] in address_of(name)


def test_every_file_is_served_or_a_licence() -> None:
    assert {*TYPES, "htmx.LICENSE"} == {path.name for path in STATIC.iterdir()}


@pytest.mark.parametrize("name", sorted(path.name for path in TEMPLATES.iterdir()))
def test_a_template_has_no_script_style_or_address_of_its_own(name: str) -> None:
    """The pages' policy forbids what is inline, and nothing is loaded from another host."""
    text = TEMPLATES.joinpath(name).read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*src=)", text)
    assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", text)


@pytest.mark.parametrize("name", sorted(path.name for path in TEMPLATES.iterdir()))
def test_every_form_that_changes_something_has_its_token(name: str) -> None:
    """The feedback widget's has a key instead: it knows no session that another site could use."""
    proof = 'name="key"' if name == "feedback_widget.html" else "csrf()"
    text = TEMPLATES.joinpath(name).read_text()
    for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", text, re.DOTALL):
        assert proof in form, form
