"""Loads a model's folder as a Python user does: with onnxruntime alone, and with MLflow.

Arguments: folder of the model, CSV of transactions, output JSON.
"""

import json
import sys
from pathlib import Path

import mlflow
import onnx
import onnxruntime
import pandas as pd
from mlflow.exceptions import MlflowException


def refusal(model: mlflow.pyfunc.PyFuncModel, frame: pd.DataFrame) -> str | None:
    """What MLflow says against these rows, after a print of them; None if it takes them."""
    try:
        model.predict(frame)
    except MlflowException as error:
        return error.message.rpartition("Error: ")[2]
    return None


def main(folder: str, table: str, output: str) -> None:
    read = pd.read_csv(table, float_precision="round_trip")
    labels = read.pop("Class")
    frame = read.astype("float64")

    path = str(Path(folder) / "model.onnx")
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (x,), (probability,) = session.get_inputs(), session.get_outputs()
    plain = session.run(None, {"X": frame.to_numpy()})[0]

    model = mlflow.pyfunc.load_model(folder)
    predicted = model.predict(frame)
    others = frame.assign(Class=labels)[["Class", *frame.columns[::-1]]]
    small = frame.astype({"Time": "int32"})
    result = {
        "graph": {
            "producer": onnx.load(path).producer_name,
            "input": [x.name, x.type, x.shape],
            "output": [probability.name, probability.type, probability.shape],
            "metadata": session.get_modelmeta().custom_metadata_map,
        },
        "shape": plain.shape,
        "onnxruntime": plain.ravel().tolist(),
        "columns": list(predicted.columns),
        "pyfunc": predicted["probability"].tolist(),
        "other_order_and_a_label": model.predict(others)["probability"].tolist(),
        "32_bit_integers": model.predict(small)["probability"].tolist(),
        "input_example": model.predict(model.input_example)["probability"].tolist(),
        "without_v7": refusal(model, frame.drop(columns="V7")),
        "text": refusal(model, frame.assign(V7="high")),
        "as_read": {"dtype": str(read["Time"].dtype), "refusal": refusal(model, read)},
        "metadata": model.metadata.metadata,
        "model_uuid": model.metadata.model_uuid,
        "created": model.metadata.utc_time_created,
        "signature": {
            "inputs": model.metadata.signature.inputs.to_dict(),
            "outputs": model.metadata.signature.outputs.to_dict(),
        },
    }
    with open(output, "w") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
