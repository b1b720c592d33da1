"""uv asks the indexes that pip asks, unless it was told its own."""

from modelops_pipelines.store.registry.environments.package_indexes import index_variables, uv_variables

FIRST, SECOND, WHEELS = "https://one.invalid", "https://two.invalid", "wheels more"


def test_pips_settings_are_uvs_variables() -> None:
    settings = {
        "global.index-url": FIRST,
        "global.extra-index-url": f"{SECOND}\nhttps://three.invalid",
        "global.find-links": WHEELS,
        "global.trusted-host": "one.invalid",
        "global.timeout": "60",
        "global.cert": "ca.pem",
        "list.format": "columns",
    }
    assert {
        "UV_DEFAULT_INDEX": FIRST,
        "UV_INDEX": f"{SECOND} https://three.invalid",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "wheels,more",
        "UV_INSECURE_HOST": "one.invalid",
        "UV_HTTP_TIMEOUT": "60",
        "SSL_CERT_FILE": "ca.pem",
    } == uv_variables(settings)


def test_a_variable_comes_before_a_file_and_the_section_of_install_before_that_of_all() -> None:
    files = {"global.index-url": FIRST, "install.index-url": SECOND}
    assert {"UV_DEFAULT_INDEX": SECOND} == uv_variables(files)
    assert {"UV_DEFAULT_INDEX": FIRST} == uv_variables({**files, ":env:.index-url": FIRST})


def test_no_index_is_passed_on() -> None:
    assert {"UV_NO_INDEX": "1"} == uv_variables({":env:.no-index": "1"})


def test_what_uv_was_told_is_left_alone() -> None:
    assert {} == index_variables({"UV_DEFAULT_INDEX": FIRST, "PIP_INDEX_URL": SECOND})
