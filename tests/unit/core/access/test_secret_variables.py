"""What foreign code does not see of an environment, and what it still needs of it."""

import pytest

from modelops_pipelines.core.access.secret_variables import looks_secret, without_secrets

SECRETS = {
    "MODELOPS_API_KEY": "mk_1",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AWS_ACCESS_KEY_ID": "AKIA",
    "GITHUB_TOKEN": "x",
    "GITHUBTOKEN": "x",
    "PGPASSWORD": "x",
    "MYSQL_PWD": "x",
    "smtp_pass": "x",
    "DB_PASSWORD_FILE": "/run/secrets/db",
    "SENTRY_DSN": "x",
    "SLACK_WEBHOOK_URL": "x",
    "SSH_AUTH_SOCK": "/tmp/agent",
    "WAREHOUSE_URL": "postgresql://me:word@db/warehouse",
    "REDIS": "redis://:word@cache:6379/0",
    "OPS_CHANNEL": "https://hooks.slack.com/services/T0123/B0456/abcdefghijklmnop12345678",
    "STORE": "https://account.blob.example/c?sv=1&sig=abc",
}
ORDINARY = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/home/me",
    "PWD": "/home/me",
    "OLDPWD": "/",
    "PYTHONPATH": "/project",
    "LANG": "C.UTF-8",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
    "HF_HOME": "/models",
    "CUDA_VISIBLE_DEVICES": "0",
    "KEYBOARD": "de",
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:5000",
    "HTTP_PROXY": "http://proxy.example:3128/",
    "DOCS": "https://docs.example.com/a/page-about-something/index.html",
    "EMPTY": "",
}


@pytest.mark.parametrize("name", SECRETS)
def test_what_looks_like_a_secret_is_hidden(name: str) -> None:
    assert looks_secret(name, SECRETS[name])


@pytest.mark.parametrize("name", ORDINARY)
def test_what_programs_need_stays(name: str) -> None:
    assert not looks_secret(name, ORDINARY[name])


def test_the_rest_of_an_environment_is_as_it_was() -> None:
    assert ORDINARY == without_secrets(SECRETS | ORDINARY)
