//! `cargo xtask bench`: ours and the Python peers, alternating in one run.

use clap::{Args, ValueEnum};

use crate::shell::{cargo, execute, heading, program, root, target};
use crate::test::python_environment;

/// Measure training against pandas + scikit-learn, or the API against `FastAPI`, both in one run
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// What to measure
    #[arg(value_enum, default_value_t = What::Training)]
    what: What,

    /// Runs of each; the median counts
    #[arg(long, default_value_t = 7)]
    repeat: u32,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Whole processes, on synthetic data of Kaggle's size
    Training,
    /// Requests a second, CPU time, memory and start; needs wrk and h2load
    Api,
}

pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    heading("build");
    execute(cargo().args(["build", "--release", "--workspace"]))?;
    heading("Python environment");
    let python = python_environment()?;
    let release = target()?.join("release");
    let mut measure = program(python);
    match args.what {
        What::Training => {
            measure
                .arg(root().join("tests/python/bench_training.py"))
                .arg("--trainer")
                .arg(release.join("fraud-trainer"))
                .arg("--data")
                .arg(target()?.join("bench"));
        }
        What::Api => {
            execute(cargo().args(["build", "--release", "--workspace", "--example", "constant"]))?;
            measure
                .arg(root().join("tests/python/bench_api.py"))
                .arg("--api")
                .arg(release.join("fraud-api"))
                .arg("--constant")
                .arg(release.join("examples/constant"))
                .arg("--model")
                .arg(root().join("models/production"));
        }
    }
    heading("measure");
    execute(measure.args(["--repeat", &args.repeat.to_string()]))
}
