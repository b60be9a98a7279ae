"""Fits and measures with scikit-learn what the trainer is asked to fit and measure.

Arguments: training CSV, validation CSV, output JSON, weight of a fraud, L2 strength (1 / C).
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
    roc_auc_score,
    roc_curve,
)
from sklearn.preprocessing import StandardScaler


def calibration_error(y: np.ndarray, p: np.ndarray) -> float:
    bins = np.minimum((p * 10).astype(int), 9)
    gaps = [abs(p[bins == b].sum() - y[bins == b].sum()) for b in range(10)]
    return sum(gaps) / len(y)


def main(training: str, validation: str, output: str, weight: str, l2: str) -> None:
    train, test = pd.read_csv(training), pd.read_csv(validation)
    y_train, y = train.pop("Class").to_numpy(), test.pop("Class").to_numpy()
    scaler = StandardScaler().fit(train)
    model = LogisticRegression(
        C=1 / float(l2),
        class_weight={0: 1.0, 1: float(weight)},
        solver="newton-cholesky",
        tol=1e-10,
        max_iter=1000,
    ).fit(scaler.transform(train), y_train)
    p = model.predict_proba(scaler.transform(test))[:, 1]
    fpr, tpr, _ = roc_curve(y, p)
    top = np.argsort(-p, kind="stable")[:100]
    at_threshold = {}
    for t in (0.9, 0.7, 0.5, 0.3, 0.1):
        tn, fp, fn, tp = confusion_matrix(y, p >= t).ravel().tolist()
        at_threshold[str(t)] = {"tn": tn, "fp": fp, "fn": fn, "tp": tp}
    result = {
        "mean": scaler.mean_.tolist(),
        "scale": scaler.scale_.tolist(),
        "coefficients": model.coef_[0].tolist(),
        "validation": {
            "average_precision": average_precision_score(y, p),
            "roc_auc": roc_auc_score(y, p),
            "log_loss": log_loss(y, p),
            "brier_score": brier_score_loss(y, p),
            "expected_calibration_error_10_uniform_bins": calibration_error(y, p),
            "recall_at_fpr_0_01": float(np.interp(0.01, fpr, tpr)),
            "recall_at_fpr_0_001": float(np.interp(0.001, fpr, tpr)),
            "precision_at_top_100": float(y[top].mean()),
            "recall_at_top_100": float(y[top].sum() / y.sum()),
            "at_threshold": at_threshold,
        },
    }
    with open(output, "w") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
