//! `model.onnx`: the model as an ONNX graph, for onnxruntime and everything that stands on it.
//!
//! Four nodes over 64-bit floats, `Sub → Mul → Gemm → Sigmoid`, which are standardisation and logistic
//! regression step by step: `P = σ((X − mean) · (1 / scale) · coefficients + intercept)`. Input `X` is
//! N × 30 with the columns of [`FEATURES`] in their order, output `probability` N × 1. IR version 8
//! and opset 13 are read by every onnxruntime since 1.10 (2021).
//!
//! Source: the ONNX specification, `onnx.proto` and `Operators.md` of ONNX 1.23.

mod proto;

use anyhow::ensure;
use fraud_core::{FEATURES, LogisticModel, ModelArtifact, N_FEATURES};
use prost::Message;

use self::proto::{
    DOUBLE, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto,
    ValueInfoProto,
};

const IR_VERSION: i64 = 8;
const OPSET: i64 = 13;
#[expect(clippy::cast_possible_wrap)] // it is 30
const COLUMNS: i64 = N_FEATURES as i64;

/// Name of the graph's only output, which is the column of the `DataFrame` that MLflow answers with.
pub const OUTPUT: &str = "probability";

/// The bytes of `model.onnx`: the same for the same artifact.
///
/// Digest, threshold and the count of synthetic rows stand in its metadata, so that the file still
/// tells where it came from when it has left its folder.
///
/// # Errors
///
/// If a scale is so small (below 6·10⁻³⁰⁹) that it has no reciprocal.
pub fn encode(artifact: &ModelArtifact) -> anyhow::Result<Vec<u8>> {
    Ok(model(artifact)?.encode_to_vec())
}

fn model(artifact: &ModelArtifact) -> anyhow::Result<ModelProto> {
    let metadata = [
        ("digest", artifact.digest()),
        ("threshold", artifact.threshold.value().to_string()),
        ("synthetic_rows", artifact.provenance.synthetic_rows.to_string()),
    ];
    Ok(ModelProto {
        ir_version: Some(IR_VERSION),
        producer_name: Some("fraud-trainer".to_owned()),
        producer_version: Some(artifact.provenance.crate_version.clone()),
        doc_string: Some(
            "Probability that a credit-card transaction is fraud: logistic regression on \
             standardised features. The decision threshold is in the metadata."
                .to_owned(),
        ),
        graph: Some(graph(&artifact.model)?),
        opset_import: vec![OperatorSetIdProto {
            domain: Some(String::new()),
            version: Some(OPSET),
        }],
        metadata_props: metadata
            .map(|(key, value)| StringStringEntryProto {
                key: Some(key.to_owned()),
                value: Some(value),
            })
            .to_vec(),
    })
}

fn graph(model: &LogisticModel) -> anyhow::Result<GraphProto> {
    let scaler = model.scaler();
    let inverse_scale = scaler.scale().map(f64::recip);
    for ((inverse, scale), feature) in inverse_scale.iter().zip(scaler.scale()).zip(FEATURES) {
        ensure!(
            inverse.is_finite(),
            "scaler scale of {feature} is {scale:e}, expected a number that 1 can be divided by"
        );
    }
    let columns = format!("columns in this order: {}", FEATURES.join(", "));
    Ok(GraphProto {
        node: vec![
            node("Sub", &["X", "mean"], "centred"),
            node("Mul", &["centred", "inverse_scale"], "standardised"),
            node("Gemm", &["standardised", "coefficients", "intercept"], "log_odds"),
            node("Sigmoid", &["log_odds"], OUTPUT),
        ],
        name: Some("fraud_logistic".to_owned()),
        initializer: vec![
            constant("mean", &[COLUMNS], scaler.mean(), "in the features' units"),
            constant("inverse_scale", &[COLUMNS], &inverse_scale, "1 / scale"),
            constant(
                "coefficients",
                &[COLUMNS, 1],
                model.coefficients(),
                "log-odds per standard deviation",
            ),
            constant("intercept", &[1], &[model.intercept()], "log-odds at the mean"),
        ],
        input: vec![rows_of("X", COLUMNS, columns)],
        output: vec![rows_of(OUTPUT, 1, "probability of fraud in [0, 1]".to_owned())],
    })
}

/// A node that is named after what it makes.
fn node(op_type: &str, input: &[&str], output: &str) -> NodeProto {
    NodeProto {
        input: input.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.to_owned()],
        name: Some(output.to_owned()),
        op_type: Some(op_type.to_owned()),
    }
}

fn constant(name: &str, dims: &[i64], values: &[f64], doc: &str) -> TensorProto {
    TensorProto {
        dims: dims.to_vec(),
        data_type: Some(DOUBLE),
        name: Some(name.to_owned()),
        raw_data: Some(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        doc_string: Some(doc.to_owned()),
    }
}

/// A tensor of N × `columns`, where N is whatever comes.
fn rows_of(name: &str, columns: i64, doc: String) -> ValueInfoProto {
    let n = DimensionProto { dim_value: None, dim_param: Some("N".to_owned()) };
    let columns = DimensionProto { dim_value: Some(columns), dim_param: None };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type: Some(DOUBLE),
                shape: Some(TensorShapeProto { dim: vec![n, columns] }),
            }),
        }),
        doc_string: Some(doc),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use fraud_core::model::sigmoid;
    use fraud_core::{Provenance, StandardScaler, Threshold, Transaction};
    use proptest::prelude::*;

    use super::*;

    fn artifact(
        mean: [f64; N_FEATURES],
        scale: [f64; N_FEATURES],
        coefficients: [f64; N_FEATURES],
    ) -> ModelArtifact {
        let scaler = StandardScaler::new(mean, scale).unwrap();
        ModelArtifact {
            model: LogisticModel::new(scaler, coefficients, -3.1).unwrap(),
            threshold: Threshold::new(0.9).unwrap(),
            provenance: Provenance { synthetic_rows: 7, ..Provenance::default() },
        }
    }

    fn ordinary() -> ModelArtifact {
        artifact(
            std::array::from_fn(|i| i as f64 / 3.0),
            std::array::from_fn(|i| 1.0 + i as f64 / 7.0),
            std::array::from_fn(|i| (i as f64).sin()),
        )
    }

    /// Runs the four operators, as `Operators.md` defines them, on one row.
    fn evaluate(graph: &GraphProto, row: &[f64; N_FEATURES]) -> f64 {
        let mut tensors: HashMap<&str, Vec<f64>> = HashMap::from([("X", row.to_vec())]);
        for tensor in &graph.initializer {
            assert_eq!(tensor.data_type, Some(DOUBLE));
            let values: Vec<f64> = tensor
                .raw_data()
                .as_chunks::<8>()
                .0
                .iter()
                .map(|bytes| f64::from_le_bytes(*bytes))
                .collect();
            assert_eq!(tensor.dims.iter().product::<i64>(), i64::try_from(values.len()).unwrap());
            tensors.insert(tensor.name(), values);
        }
        for node in &graph.node {
            let inputs: Vec<&[f64]> =
                node.input.iter().map(|name| tensors[name.as_str()].as_slice()).collect();
            let pairs = || inputs[0].iter().zip(inputs[1]);
            let result = match node.op_type() {
                "Sub" => pairs().map(|(a, b)| a - b).collect(),
                "Mul" => pairs().map(|(a, b)| a * b).collect(),
                "Gemm" => vec![pairs().map(|(a, b)| a * b).sum::<f64>() + inputs[2][0]],
                "Sigmoid" => inputs[0].iter().map(|&x| sigmoid(x)).collect(),
                other => panic!("{other}"),
            };
            tensors.insert(&node.output[0], result);
        }
        assert_eq!(tensors[graph.output[0].name()].len(), 1);
        tensors[graph.output[0].name()][0]
    }

    #[test]
    fn it_is_decoded_as_it_was_encoded() {
        let artifact = ordinary();
        let bytes = encode(&artifact).unwrap();
        assert_eq!(bytes, encode(&artifact).unwrap());
        let decoded = ModelProto::decode(bytes.as_slice()).unwrap();
        assert_eq!(decoded, model(&artifact).unwrap());

        assert_eq!((decoded.ir_version(), decoded.opset_import[0].version()), (8, 13));
        assert_eq!((decoded.producer_name(), decoded.opset_import.len()), ("fraud-trainer", 1));
        let metadata: Vec<(&str, &str)> =
            decoded.metadata_props.iter().map(|entry| (entry.key(), entry.value())).collect();
        let digest = artifact.digest();
        let expected = [("digest", digest.as_str()), ("threshold", "0.9"), ("synthetic_rows", "7")];
        assert_eq!(metadata, expected);

        let graph = decoded.graph.unwrap();
        let shape = |value: &ValueInfoProto| {
            let tensor = value.r#type.clone().unwrap().tensor_type.unwrap();
            assert_eq!(tensor.elem_type(), DOUBLE);
            let dim = tensor.shape.unwrap().dim;
            (value.name().to_owned(), dim[0].dim_param().to_owned(), dim[1].dim_value())
        };
        assert_eq!(shape(&graph.input[0]), ("X".to_owned(), "N".to_owned(), 30));
        assert_eq!(shape(&graph.output[0]), ("probability".to_owned(), "N".to_owned(), 1));
    }

    /// Field numbers by hand: `ir_version` is field 1 (key 0x08), `producer_name` field 2 (key 0x12, 13
    /// bytes).
    #[test]
    fn the_first_bytes_are_those_of_the_specification() {
        let bytes = encode(&ordinary()).unwrap();
        assert!(bytes.starts_with(b"\x08\x08\x12\x0dfraud-trainer"));
    }

    #[test]
    fn a_scale_without_a_reciprocal_is_refused() {
        let mut scale = [1.0; N_FEATURES];
        scale[3] = 1e-310;
        let error = encode(&artifact([0.0; N_FEATURES], scale, [0.0; N_FEATURES])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "scaler scale of V3 is 1e-310, expected a number that 1 can be divided by"
        );
    }

    fn values() -> impl Strategy<Value = [f64; N_FEATURES]> {
        prop::collection::vec(-50.0..50.0, N_FEATURES).prop_map(|v| {
            let mut values: [f64; N_FEATURES] = v.try_into().unwrap();
            values[0] = values[0].abs();
            values[29] = values[29].abs();
            values
        })
    }

    proptest! {
        #[test]
        fn the_graph_computes_what_the_model_does(
            x in values(),
            mean in values(),
            coefficients in values(),
            spread in prop::collection::vec(0.5..100.0, N_FEATURES),
        ) {
            let coefficients = coefficients.map(|c| c / 50.0);
            let artifact = artifact(mean, spread.try_into().unwrap(), coefficients);
            let bytes = encode(&artifact).unwrap();
            let graph = ModelProto::decode(bytes.as_slice()).unwrap().graph.unwrap();
            let expected = artifact.model.predict_proba(&Transaction::new(x).unwrap());
            prop_assert!((evaluate(&graph, &x) - expected).abs() <= 1e-12);
        }
    }
}
