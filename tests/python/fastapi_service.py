"""The service that ours takes the place of, as such services are written: FastAPI, pydantic,
scikit-learn, prometheus_client. The tests compare answers with it, the benchmark compares speed.

MODEL names a folder with `model.json`. Prints `http://127.0.0.1:PORT` when it listens, and ends when
standard input does. For more than one process: `uvicorn fastapi_service:app --workers 2`.
"""

import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import uvicorn
from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from pydantic import BaseModel, Field, create_model
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

MODEL = json.loads((Path(os.environ["MODEL"]) / "model.json").read_text())
FEATURES = MODEL["features"]
THRESHOLD = MODEL["threshold"]


def pipeline() -> Pipeline:
    scaler, regression = StandardScaler(), LogisticRegression()
    scaler.mean_ = np.array(MODEL["scaler"]["mean"])
    scaler.scale_ = np.array(MODEL["scaler"]["scale"])
    scaler.var_ = scaler.scale_**2
    scaler.n_features_in_ = len(FEATURES)
    scaler.feature_names_in_ = np.array(FEATURES, dtype=object)
    regression.coef_ = np.array([MODEL["coefficients"]])
    regression.intercept_ = np.array([MODEL["intercept"]])
    regression.classes_ = np.array([0, 1])
    regression.n_features_in_ = len(FEATURES)
    return Pipeline([("scaler", scaler), ("regression", regression)])


# A field as our schema has it: finite, and Time and Amount not negative.
Transaction: type[BaseModel] = create_model(
    "Transaction",
    **{
        name: (
            float,
            Field(ge=0, allow_inf_nan=False)
            if name in ("Time", "Amount")
            else Field(allow_inf_nan=False),
        )
        for name in FEATURES
    },
)


class Prediction(BaseModel):
    fraud_probability: float
    fraud_prediction: int
    threshold_used: float


app = FastAPI(title="Fraud detection")
model = pipeline()
requests_total = Counter("http_requests_total", "Requests", ["method", "endpoint", "status"])
latency = Histogram("http_request_latency_seconds", "Latency", ["endpoint"])
predictions = Counter("fraud_predictions_total", "Predictions", ["prediction"])


@app.middleware("http")
async def measure(request: Request, call_next):
    start = time.perf_counter()
    response = await call_next(request)
    latency.labels(request.url.path).observe(time.perf_counter() - start)
    requests_total.labels(request.method, request.url.path, response.status_code).inc()
    return response


@app.get("/health")
def health():
    return {"status": "ok"}


@app.get("/metrics")
def metrics():
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@app.post("/predict")
def predict(transaction: Transaction) -> Prediction:
    frame = pd.DataFrame([transaction.model_dump()], columns=FEATURES)
    probability = float(model.predict_proba(frame)[0, 1])
    prediction = int(probability >= THRESHOLD)
    predictions.labels(str(prediction)).inc()
    return Prediction(
        fraud_probability=round(probability, 4),
        fraud_prediction=prediction,
        threshold_used=THRESHOLD,
    )


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))

    def watch() -> None:
        while not server.started:
            time.sleep(0.01)
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
