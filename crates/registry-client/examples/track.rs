//! Notes a run where `MLFLOW_TRACKING_URI` points to, or in the local store.

use fraud_registry::types::{Batch, KeyValue, Metric, NewRun, RunStatus};

#[tokio::main]
async fn main() -> Result<(), fraud_registry::Error> {
    let store = fraud_registry::connect(fraud_registry::LOCAL_FOLDER.as_ref())?;
    let experiment_id = store.experiment("fraud").await?.experiment_id;
    let run = store.create_run(&NewRun { experiment_id, ..NewRun::default() }).await?.info;
    let params = vec![KeyValue::new("l2", 1.0)];
    let metrics = vec![Metric::now("average_precision", 0.75)];
    store.log_batch(&run.run_id, &Batch { params, metrics, tags: Vec::new() }).await?;
    store.update_run(&run.run_id, RunStatus::Finished, None).await?;
    println!("run {} ({}) is in {}", run.run_name, run.run_id, store.location());
    Ok(())
}
