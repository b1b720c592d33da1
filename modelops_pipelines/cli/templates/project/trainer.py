"""Train this project's models. Replace this with your own training: the frame holds the features and the label."""

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def train(frame, context):
    """Return a fitted estimator; modelops logs it, with signature, training-set hash and reference profile."""
    model = make_pipeline(StandardScaler(), LogisticRegression(random_state=context.seed))
    return model.fit(frame[list(context.features)], frame[context.label])
