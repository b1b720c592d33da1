"""A trainer for frames with numbers and words, nulls among them."""

from typing import Any


def mixed(frame: Any, context: Any) -> Any:
    """Fit a logistic regression on imputed numbers and on words, also unknown ones."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    words = [name for name in context.features if frame[name].dtype.kind not in "if"]
    numbers = [name for name in context.features if name not in words]
    columns = make_column_transformer(
        (SimpleImputer(keep_empty_features=True), numbers), (OneHotEncoder(handle_unknown="ignore"), words)
    )
    return make_pipeline(columns, LogisticRegression()).fit(frame[list(context.features)], frame[context.label])
