//! The model in MLflow's own form: with these files a folder is what `mlflow.pyfunc.load_model` and
//! `mlflow models serve` take.
//!
//! ```python
//! model = mlflow.pyfunc.load_model("models/production")
//! model.predict(frame)["probability"]       # frame: a DataFrame with Time, V1 … V28, Amount
//! model.metadata.metadata["threshold"]      # from which probability on it is called fraud
//! ```
//!
//! | file | content |
//! |---|---|
//! | `model.onnx` | the model, see [`onnx`] |
//! | `MLmodel` | how to load it, its signature, and in `metadata` digest, threshold and synthetic rows |
//! | `requirements.txt`, `python_env.yaml`, `conda.yaml` | packages and Python it was tried with |
//! | `input_example.json`, `serving_input_example.json` | two transactions, for `predict` and for `POST /invocations` |
//!
//! The signature asks for all 30 columns by name, in any order, and drops others. They are `double`,
//! and there MLflow is strict: it refuses a column of 64-bit integers unless all are 0 or 1, and
//! `pandas.read_csv` makes one of whole seconds. `frame.astype("float64")` is the way around, which
//! `MLmodel` says as well. JSON that comes to `/invocations` is converted by MLflow itself.
//!
//! The layout is that of `mlflow.onnx.save_model` in MLflow 3.17, keys without a value left out.

use std::fmt::Write as _;

use anyhow::Context;
use fraud_core::{FEATURES, ModelArtifact, N_FEATURES};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::onnx;

/// The Python that the packages below were tried with.
const PYTHON: &str = "3.11.7";
const MLFLOW: &str = "3.17.2";
const ONNX: &str = "1.23.2";

/// What it takes to load and serve the model, in the versions that the end-to-end tests use.
const REQUIREMENTS: [&str; 5] =
    ["mlflow==3.17.2", "numpy==2.4.6", "onnx==1.23.2", "onnxruntime==1.32.0", "pandas==2.3.3"];

/// What `MLmodel` says of the copy in an MLflow store. A folder that was never there has none of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The logged model, `m-…`.
    pub model_id: Option<String>,
    /// The run that logged it.
    pub run_id: Option<String>,
    /// Where the files lie: for a logged model its artifact URI, else the path below the run's.
    pub artifact_path: Option<String>,
}

/// The files by name. They depend on the arguments alone: the identifier (`model_uuid`) is taken from
/// the SHA-256 of `model.onnx`, the time from the provenance.
///
/// # Errors
///
/// If the provenance's `created_at` is neither empty nor RFC 3339, or a scale has no reciprocal.
pub fn files(
    artifact: &ModelArtifact,
    identity: &Identity,
) -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
    let example = input_example(artifact);
    let serving = json!({ "dataframe_split": example });
    let data = vec![
        ("model.onnx", onnx::encode(artifact)?),
        ("input_example.json", format!("{example}\n").into_bytes()),
        ("serving_input_example.json", format!("{serving:#}\n").into_bytes()),
    ];
    let mlmodel = mlmodel(artifact, identity, &data)?;
    let texts = [
        ("MLmodel", mlmodel),
        ("requirements.txt", REQUIREMENTS.join("\n") + "\n"),
        ("python_env.yaml", python_env()),
        ("conda.yaml", conda()),
    ];
    Ok(data.into_iter().chain(texts.map(|(name, text)| (name, text.into_bytes()))).collect())
}

/// Two transactions in pandas' orientation "split": the mean of the training rows, whose log-odds are
/// the intercept, and one in plain numbers.
fn input_example(artifact: &ModelArtifact) -> Value {
    let mut plain = [0.1; N_FEATURES];
    (plain[0], plain[N_FEATURES - 1]) = (0.0, 100.0);
    let rows = [artifact.model.scaler().mean(), &plain].map(|row| row.to_vec());
    json!({ "columns": FEATURES, "data": rows })
}

/// The text of `MLmodel`. `data` are the files that it describes, `model.onnx` first.
fn mlmodel(
    artifact: &ModelArtifact,
    identity: &Identity,
    data: &[(&str, Vec<u8>)],
) -> anyhow::Result<String> {
    let optional = |key: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!("{key}: {}\n", quoted(value))).unwrap_or_default()
    };
    let artifact_path = optional("artifact_path", &identity.artifact_path);
    let model_id = optional("model_id", &identity.model_id);
    let run_id = optional("run_id", &identity.run_id);
    let created = optional("utc_time_created", &created(&artifact.provenance.created_at)?);
    let digest = quoted(&artifact.digest());
    let note = quoted(
        "MLflow refuses columns of 64-bit integers; convert them before predict: \
         frame.astype(\"float64\")",
    );
    // Written without an exponent: PyYAML takes 1e-7 for a string.
    let threshold = artifact.threshold.value();
    let synthetic_rows = artifact.provenance.synthetic_rows;
    let size: usize = data.iter().map(|(_, bytes)| bytes.len()).sum();
    let uuid = uuid(&data[0].1);
    let inputs: Vec<Value> = FEATURES.iter().map(|name| double_column(name)).collect();
    let inputs = quoted(&Value::from(inputs).to_string());
    let outputs = quoted(&Value::from(vec![double_column(onnx::OUTPUT)]).to_string());
    Ok(format!(
        "{artifact_path}flavors:
  onnx:
    data: model.onnx
    onnx_version: {ONNX}
    providers:
    - CPUExecutionProvider
  python_function:
    data: model.onnx
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.onnx
    python_version: {PYTHON}
metadata:
  digest: {digest}
  integer_columns: {note}
  synthetic_rows: {synthetic_rows}
  threshold: {threshold}
mlflow_version: {MLFLOW}
{model_id}model_size_bytes: {size}
model_uuid: {uuid}
{run_id}saved_input_example_info:
  artifact_path: input_example.json
  pandas_orient: split
  serving_input_path: serving_input_example.json
  type: dataframe
signature:
  inputs: {inputs}
  outputs: {outputs}
  params: null
{created}"
    ))
}

/// A column of a signature.
fn double_column(name: &str) -> Value {
    json!({ "name": name, "required": true, "type": "double" })
}

/// `2023-11-14 22:13:20`, as Python prints a time without a zone; `None` for a model that does not
/// say when it was made.
fn created(created_at: &str) -> anyhow::Result<Option<String>> {
    if created_at.is_empty() {
        return Ok(None);
    }
    let time: Timestamp = created_at.parse().with_context(|| {
        format!("created_at of the model is {created_at:?}, expected a time as in RFC 3339")
    })?;
    Ok(Some(time.strftime("%Y-%m-%d %H:%M:%S").to_string()))
}

/// 32 hexadecimal digits, as of Python's `uuid4().hex`.
fn uuid(model: &[u8]) -> String {
    Sha256::digest(model)[..16].iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A YAML scalar in single quotes, in which only the quote itself means something.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn python_env() -> String {
    format!(
        "python: {PYTHON}
build_dependencies:
- pip
- setuptools
- wheel
dependencies:
- -r requirements.txt
"
    )
}

fn conda() -> String {
    let requirements = REQUIREMENTS.join("\n  - ");
    format!(
        "channels:
- conda-forge
dependencies:
- python={PYTHON}
- pip
- pip:
  - {requirements}
name: mlflow-env
"
    )
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use fraud_core::{LogisticModel, Provenance, StandardScaler, Threshold};

    use super::*;

    fn artifact() -> ModelArtifact {
        let scaler = StandardScaler::new([0.5; N_FEATURES], [2.0; N_FEATURES]).unwrap();
        ModelArtifact {
            model: LogisticModel::new(scaler, [0.7; N_FEATURES], -3.0).unwrap(),
            threshold: Threshold::new(0.000_000_1).unwrap(),
            provenance: Provenance {
                created_at: "2023-11-14T22:13:20Z".to_owned(),
                synthetic_rows: 7,
                ..Provenance::default()
            },
        }
    }

    fn text(artifact: &ModelArtifact, identity: &Identity, name: &str) -> String {
        let files = files(artifact, identity).unwrap();
        let (_, bytes) = files.into_iter().find(|(file, _)| *file == name).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// A value that stands on one line, at any depth.
    fn value<'a>(yaml: &'a str, key: &str) -> Option<&'a str> {
        yaml.lines().find_map(|line| line.trim_start().strip_prefix(key)?.strip_prefix(": "))
    }

    /// The JSON in single quotes under a key.
    fn json_of(yaml: &str, key: &str) -> Value {
        let quoted = value(yaml, key).unwrap();
        let inner = quoted.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap();
        serde_json::from_str(&inner.replace("''", "'")).unwrap()
    }

    #[test]
    fn mlmodel_has_the_signature_and_where_it_came_from() {
        let yaml = text(&artifact(), &Identity::default(), "MLmodel");
        let inputs = json_of(&yaml, "inputs");
        assert_eq!(inputs.as_array().unwrap().len(), 30);
        assert_eq!(inputs[0], json!({ "type": "double", "name": "Time", "required": true }));
        assert_eq!(inputs[29]["name"], "Amount");
        let probability = json!([{ "type": "double", "name": "probability", "required": true }]);
        assert_eq!(json_of(&yaml, "outputs"), probability);

        assert_eq!(value(&yaml, "utc_time_created"), Some("'2023-11-14 22:13:20'"));
        assert_eq!(value(&yaml, "threshold"), Some("0.0000001"));
        assert_eq!(value(&yaml, "synthetic_rows"), Some("7"));
        assert_eq!(value(&yaml, "digest"), Some(format!("'{}'", artifact().digest()).as_str()));
        assert_eq!(value(&yaml, "loader_module"), Some("mlflow.onnx"));
        let uuid = value(&yaml, "model_uuid").unwrap();
        assert!(uuid.len() == 32 && uuid.bytes().all(|byte| byte.is_ascii_hexdigit()), "{uuid}");
        assert!(!yaml.contains("run_id") && !yaml.contains("model_id"), "{yaml}");
    }

    #[test]
    fn a_copy_in_a_store_says_which_and_is_the_same_model() {
        let identity = Identity {
            model_id: Some("m-1f".to_owned()),
            run_id: Some("0123".to_owned()),
            artifact_path: Some("mlflow-artifacts:/1/it's".to_owned()),
        };
        let (own, stored) = (Identity::default(), identity);
        let yaml = text(&artifact(), &stored, "MLmodel");
        assert!(
            yaml.starts_with("artifact_path: 'mlflow-artifacts:/1/it''s'\nflavors:\n"),
            "{yaml}"
        );
        // In quotes: a run_id of digits alone would be a number.
        assert!(yaml.contains("\nmodel_id: 'm-1f'\n") && yaml.contains("\nrun_id: '0123'\n"));

        let rest = |yaml: &str| {
            let lines = yaml.lines().filter(|line| {
                !["artifact_path: 'm", "model_id", "run_id"].iter().any(|key| line.starts_with(key))
            });
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(rest(&yaml), rest(&text(&artifact(), &own, "MLmodel")));
        let others = |identity| {
            let files = files(&artifact(), identity).unwrap();
            files.into_iter().filter(|(name, _)| *name != "MLmodel").collect::<Vec<_>>()
        };
        assert_eq!(others(&own), others(&stored));
    }

    #[test]
    fn another_threshold_is_another_model() {
        let other = ModelArtifact { threshold: Threshold::new(0.5).unwrap(), ..artifact() };
        let uuid = |artifact| {
            let yaml = text(artifact, &Identity::default(), "MLmodel");
            value(&yaml, "model_uuid").unwrap().to_owned()
        };
        assert_ne!(uuid(&artifact()), uuid(&other));
    }

    #[test]
    fn a_time_may_be_absent_but_not_wrong() {
        let with = |created_at: &str| {
            let mut artifact = artifact();
            artifact.provenance.created_at = created_at.to_owned();
            files(&artifact, &Identity::default())
        };
        assert!(with("").is_ok());
        let message = with("yesterday").unwrap_err().to_string();
        assert!(message.contains("created_at of the model is \"yesterday\""), "{message}");
    }

    #[test]
    fn the_examples_hold_the_mean_and_a_plain_transaction() {
        let own = Identity::default();
        let parse = |name| serde_json::from_str::<Value>(&text(&artifact(), &own, name)).unwrap();
        let example = parse("input_example.json");
        assert_eq!(example["columns"], json!(FEATURES));
        assert_eq!(example["data"][0], json!(vec![0.5; N_FEATURES]));
        assert_eq!(example["data"][1][29], json!(100.0));
        assert_eq!(parse("serving_input_example.json"), json!({ "dataframe_split": example }));
    }

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn the_packages_are_those_of_the_end_to_end_tests() {
        let tried = std::fs::read_to_string(root().join("tests/python/requirements.txt")).unwrap();
        for requirement in REQUIREMENTS {
            assert!(tried.lines().any(|line| line == requirement), "{requirement}");
        }
        assert!(REQUIREMENTS.contains(&format!("mlflow=={MLFLOW}").as_str()));
        assert!(REQUIREMENTS.contains(&format!("onnx=={ONNX}").as_str()));
        let yaml = text(&artifact(), &Identity::default(), "conda.yaml");
        assert!(yaml.contains("\n- pip:\n  - mlflow==") && yaml.ends_with("\nname: mlflow-env\n"));
    }

    #[test]
    fn the_production_model_has_the_files_of_this_version() {
        let folder = root().join("models/production");
        let artifact = ModelArtifact::load(&folder).unwrap();
        for (name, bytes) in files(&artifact, &Identity::default()).unwrap() {
            assert!(std::fs::read(folder.join(name)).unwrap() == bytes, "{name}");
        }
    }
}
