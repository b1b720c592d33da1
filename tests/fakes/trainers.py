"""Small real trainers for tests."""

from typing import Any


def logistic(frame: Any, context: Any) -> Any:
    """Fit a scaled logistic regression."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(random_state=context.seed))
    return model.fit(frame[list(context.features)], frame[context.label])


def linear(frame: Any, context: Any) -> Any:
    """Fit a linear regression."""
    from sklearn.linear_model import LinearRegression

    return LinearRegression().fit(frame[list(context.features)], frame[context.label])
