//! Pictures as SVG text: data in, one string out.
//!
//! A picture reads alone, in light and dark, and inside a page, whose CSS variables it then takes.
//! Colours are those of Okabe and Ito (2008), told apart by colour-blind readers: everywhere
//! legitimate is blue, fraud vermillion, and what the model does green.

mod axes;
mod calibration;
mod confusion;
mod curves;
mod distribution;
mod heat_map;
mod scale;
mod svg;
mod timeline;
mod weights;
pub(crate) mod words;

pub use calibration::calibration;
pub(crate) use calibration::wilson;
pub use confusion::confusion;
pub use curves::{pr_curve, roc_curve};
pub(crate) use distribution::{Shares, amounts, distribution};
pub(crate) use heat_map::heat_map;
pub(crate) use svg::without_style;
pub(crate) use timeline::timeline;
pub(crate) use weights::weights;

/// The rules that every picture is drawn by. They name colours by the variables that [`COLOURS`]
/// and [`DARK_COLOURS`] set; a page with pictures of its own includes them once.
pub(crate) const STYLE: &str = "\
.plot{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'Liberation Sans',Arial,sans-serif}\
.plot text{fill:var(--ink)}.plot .ground{fill:var(--plot)}\
.plot .title{font-size:16px;font-weight:650}.plot .quiet{fill:var(--muted)}\
.plot .small{font-size:11px}.plot .strong{font-weight:650}.plot .big{font-size:26px;font-weight:650}\
.plot .halo{paint-order:stroke;stroke:var(--plot);stroke-width:4px;stroke-linejoin:round}\
.plot .m{text-anchor:middle}.plot .e{text-anchor:end}\
.plot .grid{stroke:var(--grid);fill:none}.plot .axis{stroke:var(--muted);fill:none}\
.plot .rule{stroke:var(--muted);stroke-dasharray:4 3;fill:none}\
.plot .curve{stroke:var(--model);stroke-width:2;fill:none;stroke-linejoin:round}\
.plot .under{fill:var(--model);fill-opacity:.12}\
.plot .dot{fill:var(--model);stroke:var(--plot);stroke-width:1.5}\
.plot .whisker{stroke:var(--model);stroke-width:1.5;stroke-opacity:.8;fill:none}\
.plot .point{fill:var(--ink);stroke:var(--plot);stroke-width:2}\
.plot .legit{fill:var(--legit)}.plot .fraud{fill:var(--fraud)}\
.plot .legit-line{stroke:var(--legit);stroke-width:1.5;fill:none}\
.plot .fraud-line{stroke:var(--fraud);stroke-width:1.5;fill:none}\
.plot .wash{fill-opacity:.22}\
.plot .median{stroke:var(--ink);stroke-width:2}.plot .empty{fill:var(--grid);fill-opacity:.35}\
.plot .diagonal{fill:var(--muted);fill-opacity:.35}.plot .plus{fill:var(--plus)}\
.plot .minus{fill:var(--minus)}.plot .tiny{font-size:8px}";

/// The colours on a light ground.
pub(crate) const COLOURS: &str = "--plot:#fff;--ink:#18212b;--muted:#5c6773;--grid:#e4e8ec;\
--legit:#0072b2;--fraud:#d55e00;--model:#009e73;--plus:#e69f00;--minus:#56b4e9";

/// The colours on a dark ground: the three data colours stay what they are.
pub(crate) const DARK_COLOURS: &str = "--plot:#161b22;--ink:#e8edf2;--muted:#9aa6b2;--grid:#2b333d;\
--legit:#0072b2;--fraud:#d55e00;--model:#009e73;--plus:#e69f00;--minus:#56b4e9";
