//! Names of the tags by which trainer, registry and API tell each other something.

/// Tag of a version: digest of the rows that its measures were taken on.
pub const VALIDATION_DIGEST: &str = "fraud.validation_digest";

/// Tag of a version: number of the champion that its training scored on its own validation rows.
pub const CHAMPION_VERSION: &str = "fraud.champion_version";

/// What the names of that champion's measures begin with, among the metrics of the version's run.
pub const CHAMPION_METRIC: &str = "champion/";

/// Tag of a version: its threshold, to be read without its files.
pub const THRESHOLD: &str = "fraud.threshold";

/// Tag of a version: digest of its `model.json`.
pub const MODEL_DIGEST: &str = "fraud.model_digest";

/// Tag of a version: its average precision, to be read without its run.
pub const AVERAGE_PRECISION: &str = "fraud.average_precision";

/// Tag of a version: how many generated rows it was fitted to.
pub const SYNTHETIC_ROWS: &str = "fraud.synthetic_rows";

/// Tag of a run: version of the program that made it.
pub const CRATE_VERSION: &str = "fraud.crate_version";

/// Tag of a champion: the number of the one before, or [`NO_CHAMPION`].
pub const PREVIOUS_CHAMPION: &str = "fraud.previous_champion";

/// What [`PREVIOUS_CHAMPION`] says of the first.
pub const NO_CHAMPION: &str = "none";

/// Tag of a champion: since when it is, RFC 3339.
pub const PROMOTED_AT: &str = "fraud.promoted_at";

/// Tag of a version that a rollback took the place from: when, RFC 3339.
pub const ROLLED_BACK_AT: &str = "fraud.rolled_back_at";

/// Tag of a run, logged model or version that was pushed: which one it was where it came from.
pub const LOCAL_ID: &str = "fraud.local_id";

/// Tag of a run that was pushed, set last: digest of what it held then.
pub const PUSHED: &str = "fraud.pushed";

/// Tag of what was created: by it an attempt whose answer got lost is found again.
pub(crate) const REQUEST_ID: &str = "fraud.request_id";
