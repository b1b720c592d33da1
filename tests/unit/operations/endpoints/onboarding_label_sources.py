"""Label sources in endpoints' YAML, right and wrong, with the message that each fault must give."""

from tests.unit.operations.endpoints.onboarding_files import MINIMAL

SOURCES = f"""\
{MINIMAL}\
  label_sources:
    - {{name: lab, kind: files, path: "in/*.csv", prediction_id: id, labelled_at: known}}
    - {{name: partner, kind: delta, path: /data/outcomes, request_id: order, row: line, cursor: changed}}
    - name: warehouse
      kind: sql
      url_env: WAREHOUSE_URL
      query: SELECT * FROM outcomes
      entity: [flight, user_id]
      time: departed_at
      within: 12h
      cursor: changed_at
      overlap: 1h
"""

# Lines that follow the minimal file: the first of them is line 7.
SOURCE_LINES = {
    "a source of an unknown kind": (
        "label_sources: [{name: a, kind: file, path: x.csv, prediction_id: id}]",
        "7: label_sources[0].kind: 'file' is not a valid value. Did you mean 'files'?",
    ),
    "a source without a path": (
        "label_sources: [{name: a, kind: files, prediction_id: id}]",
        "7: label_sources[0].path: is missing. Add where the labels are, such as 'path: outcomes/*.csv'",
    ),
    "a source without a query": (
        "label_sources: [{name: a, kind: sql, prediction_id: id}]",
        "7: label_sources[0].query: is missing. Add one SELECT, or the path of a file with one",
    ),
    "a source without a key": (
        "label_sources: [{name: a, kind: files, path: x.csv}]",
        (
            "7: label_sources[0]: has no key. "
            "Give one of: 'prediction_id', 'request_id' (with 'row'), 'entity' (with 'time')"
        ),
    ),
    "a source with two keys": (
        "label_sources: [{name: a, kind: files, path: x.csv, prediction_id: id, request_id: call}]",
        (
            "7: label_sources[0]: has 2 keys: prediction_id, request_id. "
            "Give one of: 'prediction_id', 'request_id' (with 'row'), 'entity' (with 'time')"
        ),
    ),
    "an entity without a time": (
        "label_sources: [{name: a, kind: files, path: x.csv, entity: [flight]}]",
        "7: label_sources[0].time: is missing. Add the column of the entity's time, such as 'time: departed_at'",
    ),
    "a URL in the file": (
        "label_sources: [{name: a, kind: sql, query: SELECT 1, url_env: 'postgresql://me:pw@db', prediction_id: id}]",
        (
            "7: label_sources[0].url_env: is not the name of an environment variable. "
            "Write a variable's name, such as WAREHOUSE_URL: the URL itself, with its password, belongs in no file"
        ),
    ),
    "two sources of one name": (
        (
            "label_sources:\n  - {name: a, kind: files, path: x.csv, prediction_id: id}\n"
            "  - {name: a, kind: files, path: y.csv, prediction_id: id}"
        ),
        "9: label_sources[1].name: 'a' is the name of another source. Give it a name of its own",
    ),
    "a source named like reviews": (
        "label_sources: [{name: review, kind: files, path: x.csv, prediction_id: id}]",
        (
            "7: label_sources[0].name: 'review' cannot be a source's name. Use up to 63 of a-z, 0-9 and _, starting "
            "with a letter, and none of: review, import, feedback, label"
        ),
    ),
    "a cursor of files": (
        "label_sources: [{name: a, kind: files, path: x.csv, prediction_id: id, cursor: changed}]",
        "7: label_sources[0].cursor: a source of kind files takes no 'cursor'. Remove it",
    ),
    "a key that is not kept": (
        "label_sources: [{name: a, kind: files, path: x.csv, request_id: id}]\ncapture: {redact: [client_request_id]}",
        (
            "7: label_sources[0].request_id: the log keeps no client_request_id: it is in 'capture.redact'. "
            "Use another key, or keep the column"
        ),
    ),
}
