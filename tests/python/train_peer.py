"""The Python peer of `fraud-trainer train`: pandas + scikit-learn, the same work, no bootstrap.

Reads a CSV, puts 20 % aside (stratified), standardises, fits a balanced logistic regression, measures
on the rows put aside at the same thresholds, and writes model and measures as JSON.
"""

import json
import sys

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    log_loss,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main(data: str, output: str, solver: str = "lbfgs") -> None:
    table = pd.read_csv(data)
    y = table.pop("Class")
    x_train, x_test, y_train, y_test = train_test_split(
        table, y, test_size=0.2, stratify=y, random_state=42
    )
    model = make_pipeline(
        StandardScaler(),
        LogisticRegression(class_weight="balanced", solver=solver, max_iter=1000),
    )
    model.fit(x_train, y_train)
    p = model.predict_proba(x_test)[:, 1]

    fpr, tpr, _ = roc_curve(y_test, p)
    precision_recall_curve(y_test, p)
    bins = np.minimum((p * 10).astype(int), 9)
    weight = np.bincount(bins, minlength=10)
    gap = np.abs(np.bincount(bins, p, 10) - np.bincount(bins, y_test, 10))
    measures = {
        "average_precision": average_precision_score(y_test, p),
        "roc_auc": roc_auc_score(y_test, p),
        "log_loss": log_loss(y_test, p),
        "brier_score": brier_score_loss(y_test, p),
        "expected_calibration_error_10_uniform_bins": gap.sum() / weight.sum(),
        "recall_at_fpr_0_01": np.interp(0.01, fpr, tpr),
        "recall_at_fpr_0_001": np.interp(0.001, fpr, tpr),
        "at_threshold": {
            str(t): confusion_matrix(y_test, p >= t).ravel().tolist()
            for t in (0.9, 0.7, 0.5, 0.3, 0.1)
        },
    }
    scaler, regression = model[0], model[1]
    with open(output, "w") as file:
        json.dump(
            {
                "mean": scaler.mean_.tolist(),
                "scale": scaler.scale_.tolist(),
                "coefficients": regression.coef_[0].tolist(),
                "intercept": float(regression.intercept_[0]),
                "measures": measures,
            },
            file,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
