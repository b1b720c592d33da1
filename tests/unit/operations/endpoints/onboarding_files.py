"""Endpoints' YAML as whole files, right and wrong, with the message that each fault must give."""

MINIMAL = """\
type: modelops_pipelines.ModelEndpoint
attributes:
  name: flights
  model_name: flight-delay
  task: binary_classification
  label: late
"""
FULL = f"""\
{MINIMAL}\
  label_horizon: 48h
  window: day                      # or hour
  trainer: demo.trainer:train
  owners: ["team:data-science"]
  alerts:
    - {{kind: error_rate, above: 0.10, over: 1h}}
    - {{kind: latency_p95_ms, above: 10000, over: 1h}}
    - {{kind: drift}}
    - {{kind: quality, metric: brier_skill, below: 0}}
  retraining: {{min_new_labels: 5000, cooldown: 7d}}
  promotion: {{strategy: canary, steps: [5, 25, 50, 100]}}
"""
TRAINER = "import json\n\n\ndef train(frame, context, *, fast=True): ...\n"
GOOD = """\
import json
from . import sibling
def any_number(*arguments): ...
def one(frame): ...
def three(frame, context, more): ...
async def later(frame, context): ...
"""
MISSING = """\
import json, no_such_package.deep
import no_such_package.other
from nor_this import anything
def train(frame, context): ...
"""
EXPLOSIVE = """\
from pathlib import Path
Path("exploded").touch()
def train(frame, context): ...
"""
TRAINERS = {
    "__init__.py": EXPLOSIVE,
    "trainer.py": TRAINER,
    "good.py": GOOD,
    "broken.py": "def train(\n",
    "missing.py": MISSING,
    "explosive.py": EXPLOSIVE,
}
MAPPING_FIX = "Write 'key: value' lines indented below it, or remove it for the default"
NAME_FIX = "up to 63 of a-z, 0-9 and _, starting with a letter"

WHOLE_FILES = {
    "an empty file": (
        "# nothing\n",
        "1: document: is empty. Write 'type' and 'attributes', or start with: modelops endpoint add",
    ),
    "a list": ("- 1\n", f"1: document: must be a mapping, and is a list. {MAPPING_FIX}"),
    "an open bracket": (
        MINIMAL + "  owners: [a\n",
        (
            "8: document: is no YAML: while parsing a flow sequence, expected ',' or ']', but got "
            "'<stream end>'. "
            "Close every bracket and quote, and align keys"
        ),
    ),
    "a tab": (
        "type: x\nattributes:\n\tname: y\n",
        (
            "3: document: is no YAML: while scanning for the next token, found character '\\t' that "
            "cannot start any token. "
            "Indent with spaces, not with tabs"
        ),
    ),
    "a second document": (
        MINIMAL + "---\nx: 1\n",
        (
            "7: document: is no YAML: expected a single document in the stream, but found another document. "
            "Keep one endpoint in a file, without '---' between"
        ),
    ),
    "a control character": (
        "type: \x07\n",
        (
            "1: document: holds what YAML forbids: unacceptable character #x0007: special characters "
            "are not allowed. "
            "Save it as plain UTF-8 text"
        ),
    ),
    "endless nesting": ("[" * 5000, "1: document: is nested too deeply. Write the keys of one endpoint only"),
    "no type": (
        MINIMAL.partition("\n")[2],
        "1: type: is missing. Add 'type: modelops_pipelines.ModelEndpoint'",
    ),
    "another type": (
        MINIMAL.replace("ModelEndpoint", "ModelEndpiont"),
        (
            "1: type: 'modelops_pipelines.ModelEndpiont' is no endpoint. "
            "Did you mean 'modelops_pipelines.ModelEndpoint'?"
        ),
    ),
    "no attributes": (
        MINIMAL.splitlines()[0],
        "1: attributes: is missing. Add 'attributes' with name, model_name, task, label",
    ),
    "an attribute at the top": (
        MINIMAL + "window: day\n",
        "7: window: is no key here. Indent it under 'attributes'",
    ),
    "no name": (
        MINIMAL.replace("  name: flights\n", ""),
        "2: name: is missing. Add 'name', such as 'name: flights'",
    ),
    "no model_name": (
        MINIMAL.replace("  model_name: flight-delay\n", ""),
        "2: model_name: is missing. Add 'model_name', the name of the registered model",
    ),
    "no task": (
        MINIMAL.replace("  task: binary_classification\n", ""),
        "2: task: is missing. Add 'task', such as 'task: binary_classification'",
    ),
    "no label": (
        MINIMAL.replace("  label: late\n", ""),
        "2: label: is missing. Add 'label', the column that turns out to be true",
    ),
    "a name of capitals": (
        MINIMAL.replace("flights", "Flight-Delays"),
        (f"3: name: 'Flight-Delays' cannot be used as asset key, folder and URL. Use 'flight_delays': {NAME_FIX}"),
    ),
    "a name of digits": (
        MINIMAL.replace("flights", "2024"),
        '3: name: must be text, and is a number (2024). Quote it: "2024"',
    ),
    "a name that is too long": (
        MINIMAL.replace("flights", "f" * 64),
        f"3: name: '{'f' * 64}' cannot be used as asset key, folder and URL. Use '{'f' * 63}': {NAME_FIX}",
    ),
    "a model's version": (
        MINIMAL.replace("flight-delay", "models:/flight-delay/3"),
        (
            "4: model_name: 'models:/flight-delay/3' is not a valid registered model name. "
            "Remove '/', ':', surrounding spaces, and the version"
        ),
    ),
    "an unknown task": (
        MINIMAL.replace("binary_classification", "binary"),
        "5: task: 'binary' is not a valid value. Did you mean 'binary_classification'?",
    ),
    "a label that YAML takes for a yes": (
        MINIMAL.replace("late", "on"),
        '6: label: must be text, and is a yes or no (on). Quote it: "on"',
    ),
    "a label of the system": (
        MINIMAL.replace("late", "score"),
        "6: label: 'score' is the name of a system column. Rename the label's column",
    ),
    "a metric of another task": (
        MINIMAL.replace("binary_classification", "regression")
        + "  alerts: [{kind: quality, metric: auc, below: 0.7}]\n",
        "7: alerts[0].metric: 'auc' is not a metric of regression. Use one of: mae, rmse, bias, r2",
    ),
    "a task that is not built yet": (
        MINIMAL.replace("binary_classification", "llm"),
        "5: task: 'llm' is not supported yet. Use one of: binary_classification, multiclass, regression",
    ),
    "a drift rule that looks back": (
        MINIMAL + "  alerts: [{kind: drift, over: 7d}]\n",
        "7: alerts[0].over: a rule of kind drift judges each window separately. Remove it",
    ),
}
