"""A project with two versions in its registry, the second of fewer rows, and nothing live."""

from pathlib import Path

from tests.support.project import Project, cancer_frame, make_project, train_first


def make_trained(folder: Path) -> tuple[Project, None]:
    """Make the project, with the first version's training data in ``data.csv``."""
    project = make_project(folder)
    frame = cancer_frame()
    frame.to_csv(folder / "data.csv", index=False)
    train_first(project, frame)
    train_first(project, frame.head(400))
    return project, None
