"""Many endpoints in one project, each with a model of its own; made without training or trying each of them."""

from dataclasses import replace

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.release.desired_state import DesiredState, variants_of
from modelops_pipelines.core.release.event_log import DEPLOY
from modelops_pipelines.operations.endpoints.load import read_endpoint
from modelops_pipelines.operations.release.plan import Plan, event_of
from modelops_pipelines.store.state.release.model_versions import ModelVersion
from tests.support.project import Project

YAML = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: {name}
  model_name: {name}
  task: {task}
  label: benign
"""


def add_endpoint(
    project: Project, name: str, *versions: ModelVersion, task: str = "binary_classification", more: str = ""
) -> EndpointSpec:
    """Add an endpoint that serves the last of these versions, recorded as those of its own model 1, 2, ...

    The desired state is written as a deploy without a gateway writes it, without the trial of the version. ``more`` is
    more of the YAML, whole lines.
    """
    path = project.folder / "endpoints" / f"{name}.yaml"
    path.write_text(YAML.format(name=name, task=task) + more)
    spec = read_endpoint(path)
    deployments = project.stores.deployments
    for number, version in enumerate(versions, 1):
        deployments.record_version(replace(version, model_name=name, version=str(number)))
        before = deployments.desired(name)
        after = DesiredState(name, before.generation + 1, variants_of(str(number)))
        plan = Plan(DEPLOY, after, str(number), evidence={"forced": True, "share": 100})
        event = event_of(project.stores, before, plan, "test", "the way in is not what is tested")
        deployments.change(before, after.variants, event, model_name=name)
    return spec
