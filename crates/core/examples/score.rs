//! Scores one transaction with the model in production: `cargo run -p fraud-core --example score`
//! (from the root of the workspace; a first argument names another model).

use fraud_core::{ModelArtifact, N_FEATURES, Transaction};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "models/production".into());
    let artifact = ModelArtifact::load(path)?;
    let mut values = [0.1; N_FEATURES]; // Time, V1 … V28, Amount
    (values[0], values[29]) = (0.0, 100.0);
    let transaction = Transaction::new(values)?;
    let decision = artifact.decide(&transaction);
    println!("probability of fraud {:.4}, fraud: {}", decision.probability, decision.fraud);
    Ok(())
}
