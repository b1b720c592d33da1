"""Run the migrations. Imported only for a database with an older revision."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config


def upgrade(engine: sa.Engine, revision: str = "head") -> None:
    """Upgrade the database to the revision; each step is one transaction."""
    config = config_for(Path(__file__).parent)
    with engine.begin() as connected:
        config.attributes["connection"] = connected
        command.upgrade(config, revision)


def config_for(folder: Path) -> Config:
    """Return Alembic's configuration for the migrations in a folder, whose name may hold a %, which it would expand."""
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config
