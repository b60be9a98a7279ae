//! A first look at transactions: what is in the rows, what separates the classes, what is odd.
//!
//! [`ProfileBuilder`] takes rows batch by batch and ends in a [`Profile`], which knows no HTML;
//! [`exploration_page`] makes a page of it.

mod correlation;
mod duplicates;
mod feature;
mod findings;
mod page;
mod profile;
mod timeline;

pub use correlation::CorrelationMatrix;
pub use duplicates::Duplicates;
pub use feature::{ByClass, FeatureProfile, Histogram, Separation, Summary};
pub use page::exploration_page;
pub use profile::{AmountProfile, Profile, ProfileBuilder};
pub use timeline::Timeline;
