"""What MLflow's own client reads from a server, as JSON; the tests compare it with what was sent.

The server is the one of MLFLOW_TRACKING_URI. Commands:

    experiment NAME   the experiment and the ids of its runs, latest first
    run ID            info, params, metrics with history, tags, inputs, outputs, artifacts with
                      their sizes, and the logged models among the outputs with theirs
    model NAME        the registered model, its aliases and versions, each with its logged model
    alias NAME ALIAS  the version behind an alias
    text URI          an artifact as text
    score URI CSV     one probability for each row, as pyfunc predicts it; a label is left out

NaN and infinities are printed as text.
"""

import json
import math
import sys
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def files(listing: Any, path: str | None = None) -> dict[str, int]:
    found = {}
    for entry in listing(path):
        if entry.is_dir:
            found.update(files(listing, entry.path))
        else:
            found[entry.path] = entry.file_size
    return found


def logged_model(client: MlflowClient, model_id: str) -> dict[str, Any]:
    model = client.get_logged_model(model_id)
    return {
        "model_id": model.model_id,
        "name": model.name,
        "experiment_id": model.experiment_id,
        "source_run_id": model.source_run_id,
        "status": str(model.status),
        "model_type": model.model_type,
        "artifact_uri": model.artifact_location,
        "params": model.params,
        "tags": model.tags,
        "metrics": [dict(metric) for metric in model.metrics or []],
        "artifacts": files(lambda path: client.list_logged_model_artifacts(model_id, path)),
    }


def experiment(client: MlflowClient, name: str) -> dict[str, Any]:
    found = client.get_experiment_by_name(name)
    if found is None:
        return {"experiment": None, "runs": []}
    runs = client.search_runs([found.experiment_id], order_by=["attributes.start_time DESC"])
    return {"experiment": dict(found), "runs": [run.info.run_id for run in runs]}


def run(client: MlflowClient, run_id: str) -> dict[str, Any]:
    found = client.get_run(run_id)
    outputs = found.outputs.model_outputs if found.outputs else []
    return {
        "info": dict(found.info),
        "params": found.data.params,
        "metrics": found.data.metrics,
        "history": {
            key: [
                {"value": each.value, "step": each.step, "timestamp": each.timestamp}
                for each in client.get_metric_history(run_id, key)
            ]
            for key in found.data.metrics
        },
        "tags": found.data.tags,
        "inputs": [
            {
                "tags": {tag.key: tag.value for tag in used.tags},
                "dataset": dict(used.dataset),
            }
            for used in found.inputs.dataset_inputs
        ],
        "outputs": [{"model_id": each.model_id, "step": each.step} for each in outputs],
        "logged_models": [logged_model(client, each.model_id) for each in outputs],
        "artifacts": files(lambda path: client.list_artifacts(run_id, path)),
    }


def version(client: MlflowClient, name: str, number: str) -> dict[str, Any]:
    found = dict(client.get_model_version(name, number))
    found["aliases"] = list(found["aliases"])
    # The server keeps no model id with a version, but a source that names it.
    scheme, _, source = found["source"].partition("models:/")
    is_logged = not scheme and source.startswith("m-")
    found["logged_model"] = logged_model(client, source) if is_logged else None
    return found


def model(client: MlflowClient, name: str) -> dict[str, Any]:
    found = client.get_registered_model(name)
    # Quotes cannot be escaped in a filter, but there are two kinds.
    quote = '"' if "'" in name else "'"
    versions = client.search_model_versions(f"name = {quote}{name}{quote}")
    numbers = sorted((each.version for each in versions), key=int)
    return {
        "name": found.name,
        "description": found.description,
        "tags": found.tags,
        "aliases": found.aliases,
        "versions": [version(client, name, number) for number in numbers],
    }


def alias(client: MlflowClient, name: str, title: str) -> dict[str, Any]:
    return version(client, name, client.get_model_version_by_alias(name, title).version)


def score(uri: str, table: str) -> list[float]:
    import numpy as np
    import pandas as pd

    rows = pd.read_csv(table, float_precision="round_trip").astype("float64")
    predicted = mlflow.pyfunc.load_model(uri).predict(rows.drop(columns="Class", errors="ignore"))
    return np.asarray(predicted, dtype="float64").ravel().tolist()


def main(command: str, *arguments: str) -> None:
    client = MlflowClient()
    match command:
        case "text":
            result = mlflow.artifacts.load_text(*arguments)
        case "score":
            result = score(*arguments)
        case "experiment" | "run" | "model" | "alias":
            try:
                result = globals()[command](client, *arguments)
            except MlflowException as error:
                result = {"error_code": error.error_code, "message": error.message}
        case _:
            sys.exit(f"unknown command {command}")
    print(json.dumps(plain(result)))


if __name__ == "__main__":
    main(*sys.argv[1:])
