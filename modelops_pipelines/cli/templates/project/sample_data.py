"""Write data.csv: scikit-learn's breast cancer data, as sample data."""

from sklearn.datasets import load_breast_cancer

bunch = load_breast_cancer(as_frame=True)
frame = bunch.frame.rename(columns=lambda name: name.replace(" ", "_"))
frame = frame[["mean_radius", "mean_texture", "mean_smoothness", "mean_concavity", "target"]]
frame.rename(columns={"target": "benign"}).to_csv("data.csv", index=False)
