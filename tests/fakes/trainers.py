"""Small real trainers for tests."""

from typing import Any


def logistic(frame: Any, context: Any) -> Any:
    """Fit a scaled logistic regression."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(random_state=context.seed))
    return model.fit(frame[list(context.features)], frame[context.label])


def tuned(frame: Any, context: Any) -> Any:
    """Fit a scaled logistic regression as regular as the settings say."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    print(f"settings {context.settings}")
    model = make_pipeline(StandardScaler(), LogisticRegression(C=context.settings["c"], random_state=context.seed))
    return model.fit(frame[list(context.features)], frame[context.label])


def linear(frame: Any, context: Any) -> Any:
    """Fit a linear regression."""
    from sklearn.linear_model import LinearRegression

    return LinearRegression().fit(frame[list(context.features)], frame[context.label])


def mixed(frame: Any, context: Any) -> Any:
    """Fit boosted trees, which bear missing numbers, on numbers and encoded words, also unknown ones."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    words = [name for name in context.features if frame[name].dtype.kind not in "if"]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer((encoder, words), remainder="passthrough")
    model = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=10, random_state=context.seed))
    return model.fit(frame[list(context.features)], frame[context.label])


def clock(frame: Any, context: Any) -> Any:
    """Return what answers with the seconds of the time ``at``, as numbers of a time are made: from its integers."""
    import mlflow

    assert context.features == ("at",)
    assert str(frame["at"].dtype) == "datetime64[ns]"

    class Clock(mlflow.pyfunc.PythonModel):  # local, so that it is pickled by value
        def predict(self, context, model_input, params=None):  # noqa: ARG002 - MLflow's own signature
            return (model_input["at"].astype("int64") / 1e9).to_numpy()

    return Clock()
