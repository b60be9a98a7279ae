//! `cargo xtask up`: from a clone to a trained model that answers.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::shell::{cargo, execute, heading, program, root, target};

/// Prepare data, train a model, serve it, and send it one prediction; serves until stopped
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Train on these files (CSV or Parquet) instead of data/raw/creditcard.csv
    #[arg(long, value_name = "FILE", num_args = 1..)]
    data: Vec<PathBuf>,

    /// Port of the API
    #[arg(long, default_value_t = 8000)]
    port: u16,

    /// Stop after the prediction instead of serving on
    #[arg(long)]
    once: bool,
}

/// The real file, as Kaggle names it.
const REAL: &str = "data/raw/creditcard.csv";
/// What stands in for it. Another name, so that it is never taken for the real one.
const SYNTHETIC: &str = "data/raw/synthetic.csv";
/// The model of this run; `models/production` is never touched.
const MODEL: &str = "models/local";
const EXPLORATION: &str = "reports/exploration.html";
const SCORES: &str = "reports/scores.csv";

/// How long the API may take to answer after its start.
const START: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &UpArgs) -> anyhow::Result<()> {
    // Before minutes of work.
    TcpListener::bind(("0.0.0.0", args.port)).with_context(|| {
        format!(
            "port {} is taken; stop what listens there, or choose another with --port",
            args.port
        )
    })?;
    heading("build (the first time takes some ten minutes)");
    execute(cargo().args(["build", "--release", "--workspace"]))?;
    let data = data(&args.data)?;

    heading("look at the data");
    trainer(|command| command.args(["explore", "--output", EXPLORATION, "--data"]).args(&data))?;
    heading("train and measure");
    trainer(|command| command.args(["train", "--force", "--output", MODEL, "--data"]).args(&data))?;
    heading("score the transactions of the first file");
    trainer(|command| {
        command
            .args(["score", "--force", "--model", MODEL, "--output", SCORES, "--data"])
            .arg(&data[0])
    })?;

    heading("serve");
    let mut api = Api::start(args.port)?;
    let answers = predict(args.port)?;
    let shown = data.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    println!(
        "\n{answers}\n\
         data         {shown}\n\
         exploration  {EXPLORATION}\n\
         model        {MODEL}/model.json\n\
         evaluation   {MODEL}/evaluation.html\n\
         scores       {SCORES}\n\
         registry     {registry}\n\
         API          http://localhost:{port}/ in a browser; /predict, /docs, /metrics",
        registry = registry(),
        port = args.port
    );
    if args.once {
        return api.stop();
    }
    println!("\nServing until Ctrl-C.");
    api.serve_until_stopped()
}

/// Where the run and the version are.
fn registry() -> String {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    if set("FRAUD_TRAIN_NO_TRACKING").is_some_and(|value| !["0", "false", "no"].contains(&&*value))
    {
        return "none, as FRAUD_TRAIN_NO_TRACKING says".to_owned();
    }
    // The server's URI may hold a password.
    let place = match set("MLFLOW_TRACKING_URI") {
        Some(_) => "the server of MLFLOW_TRACKING_URI".to_owned(),
        None => set("FRAUD_REGISTRY").unwrap_or_else(|| "models/registry".to_owned()),
    };
    format!("{place} (target/release/fraud-registry runs, versions, show challenger)")
}

/// The files to train on: those that were named, the real one, or a synthetic one that is made once.
fn data(named: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    if !named.is_empty() {
        // They were typed relative to where the user stands, and are read from the root.
        return named
            .iter()
            .map(|path| {
                path.canonicalize().with_context(|| format!("cannot read {}", path.display()))
            })
            .collect();
    }
    if root().join(REAL).exists() {
        return Ok(vec![REAL.into()]);
    }
    if !root().join(SYNTHETIC).exists() {
        heading("no data/raw/creditcard.csv: make synthetic data in its place");
        trainer(|command| command.args(["synth", "--output", SYNTHETIC]))?;
    }
    Ok(vec![SYNTHETIC.into()])
}

fn binary(name: &str) -> anyhow::Result<PathBuf> {
    Ok(target()?.join("release").join(name))
}

fn trainer(arguments: impl FnOnce(&mut Command) -> &mut Command) -> anyhow::Result<()> {
    execute(arguments(&mut program(binary("fraud-trainer")?)))
}

/// The running service; dropped, it is stopped.
struct Api {
    process: Child,
}

impl Api {
    /// Starts the service and waits until it answers.
    fn start(port: u16) -> anyhow::Result<Self> {
        let port_text = port.to_string();
        let mut command = program(binary("fraud-api")?);
        let process = command
            .args(["--model", MODEL, "--port", &port_text])
            .spawn()
            .context("cannot start fraud-api")?;
        let mut api = Self { process };
        let started = Instant::now();
        let health = format!("http://127.0.0.1:{port}/health");
        while ureq::get(&health).call().is_err() {
            if let Some(status) = api.process.try_wait()? {
                bail!("fraud-api ended before it answered: {status}");
            }
            if started.elapsed() > START {
                bail!("fraud-api does not answer at {health} after {} s", START.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(api)
    }

    /// Waits for Ctrl-C, SIGTERM, or the end of the service.
    fn serve_until_stopped(mut self) -> anyhow::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        loop {
            if signals.pending().next().is_some() {
                return self.stop();
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("fraud-api ended: {status}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Asks the service to finish what it has begun, and waits for it.
    fn stop(&mut self) -> anyhow::Result<()> {
        if self.process.try_wait()?.is_none() {
            let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
            if let Some(pid) = pid {
                kill_process(pid, Signal::TERM)?;
            }
        }
        let status = self.process.wait()?;
        if status.success() { Ok(()) } else { bail!("fraud-api did not stop well: {status}") }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// Sends the first legitimate transaction and the first fraud of the scored file, compares the
/// answers with the batch scores, and returns the dialogue.
fn predict(port: u16) -> anyhow::Result<String> {
    let mut text = String::new();
    for (class, name) in [("0", "a legitimate transaction"), ("1", "a fraud")] {
        let Some((body, expected)) = first_of_class(&root().join(SCORES), class)? else { continue };
        let answer = ureq::post(format!("http://127.0.0.1:{port}/predict"))
            .send_json(&body)
            .and_then(|mut answer| answer.body_mut().read_to_string())
            .context("the API refused a transaction of the training data")?;
        let given: Value = serde_json::from_str(&answer)?;
        let found = given["fraud_probability"].as_f64().unwrap_or(f64::NAN);
        // The API rounds to four decimals.
        if (found - expected).abs() > 0.5001e-4 {
            bail!("the API says {found} where batch scoring said {expected}");
        }
        let sent = format!(
            r#"{{"Time":{},"V1":{},…,"Amount":{}}}"#,
            body["Time"], body["V1"], body["Amount"]
        );
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}\n  POST /predict {sent}\n  {answer}");
    }
    Ok(text)
}

/// The first row of a class in the file of scores: the body of a request, and the probability.
fn first_of_class(scores: &Path, class: &str) -> anyhow::Result<Option<(Value, f64)>> {
    let file =
        std::fs::File::open(scores).with_context(|| format!("cannot read {}", scores.display()))?;
    let mut lines = BufReader::new(file).lines();
    let header = lines.next().context("the file of scores is empty")??;
    for line in lines {
        let line = line?;
        let row: Map<String, Value> = header
            .split(',')
            .zip(line.split(','))
            .filter_map(|(name, value)| Some((name.to_owned(), json!(value.parse::<f64>().ok()?))))
            .collect();
        let is_class =
            row.get("Class").and_then(Value::as_f64).is_some_and(|c| c.to_string() == class);
        if let (true, Some(probability)) =
            (is_class, row.get("fraud_probability").and_then(Value::as_f64))
        {
            return Ok(Some((Value::Object(row), probability)));
        }
    }
    Ok(None)
}
