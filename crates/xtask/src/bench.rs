//! `cargo xtask bench`: ours and the Python peer's training, alternating in one run.

use clap::Args;

use crate::shell::{cargo, execute, heading, program, root, target};
use crate::test::python_environment;

/// Measure training against the Python peer (pandas + scikit-learn), both in one run
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Runs of each; the median counts
    #[arg(long, default_value_t = 7)]
    repeat: u32,
}

pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    heading("build");
    execute(cargo().args(["build", "--release", "--workspace"]))?;
    heading("Python environment");
    let python = python_environment()?;
    heading("measure");
    let trainer = target()?.join("release/fraud-trainer");
    let data = target()?.join("bench");
    execute(
        program(python)
            .arg(root().join("tests/python/bench_training.py"))
            .arg("--trainer")
            .arg(trainer)
            .arg("--data")
            .arg(data)
            .args(["--repeat", &args.repeat.to_string()]),
    )
}
