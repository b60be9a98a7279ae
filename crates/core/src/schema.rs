//! The feature schema: 30 features, always in this order.
//!
//! Source: the Kaggle / ULB "Credit Card Fraud Detection" data set (Dal Pozzolo et al., 2015).
//!
//! ```
//! use fraud_core::schema::{index_of, FEATURES, N_FEATURES};
//!
//! assert_eq!(N_FEATURES, 30);
//! assert_eq!(FEATURES[0], "Time");
//! assert_eq!(index_of("Amount"), Some(29));
//! assert_eq!(index_of("Class"), None);
//! ```

/// How many features a transaction has.
pub const N_FEATURES: usize = 30;

/// Names of the features in the order in which every array of this crate holds them.
///
/// `Time`: seconds since the first transaction of the file, ≥ 0. `V1` … `V28`: principal
/// components, unitless, any finite number. `Amount`: currency units, ≥ 0.
pub const FEATURES: [&str; N_FEATURES] = [
    "Time", "V1", "V2", "V3", "V4", "V5", "V6", "V7", "V8", "V9", "V10", "V11", "V12", "V13",
    "V14", "V15", "V16", "V17", "V18", "V19", "V20", "V21", "V22", "V23", "V24", "V25", "V26",
    "V27", "V28", "Amount",
];

/// Position of `Time` in [`FEATURES`].
pub const TIME: usize = 0;

/// Position of `Amount` in [`FEATURES`].
pub const AMOUNT: usize = N_FEATURES - 1;

/// Name of the label column: 0 legitimate, 1 fraud.
pub const LABEL: &str = "Class";

/// Position of a feature in [`FEATURES`], or `None` if no feature has this name (case matters).
#[must_use]
pub fn index_of(name: &str) -> Option<usize> {
    FEATURES.iter().position(|feature| *feature == name)
}

/// Whether the feature at `index` may not be negative (`Time` and `Amount`).
#[must_use]
pub const fn is_non_negative(index: usize) -> bool {
    index == TIME || index == AMOUNT
}
