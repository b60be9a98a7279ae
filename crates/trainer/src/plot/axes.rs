//! The frame of a plot: title, legend, grid, two axes with ticks, names and units.

use super::scale::Scale;
use super::svg::{Point, Svg};
use super::words::percent;

/// Width and height of a plot of its own: 12-unit text is still legible at a phone's width.
pub(super) const SIZE: (f64, f64) = (480.0, 410.0);

/// One axis: where values go, which ones are marked and how, and what it shows.
pub(super) struct Axis<'a> {
    pub(super) scale: Scale,
    pub(super) ticks: Vec<(f64, String)>,
    /// With the unit.
    pub(super) title: &'a str,
}

/// What stands before a line of the legend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A filled dot of this class.
    Dot(&'static str),
    /// A short line of this class.
    Line(&'static str),
    /// A filled square of this class.
    Square(&'static str),
    /// Words alone.
    None,
}

/// Title at the upper left, and under it one line for each entry of the legend. Labels that share a
/// plot with data collide with it sooner or later; lines above it never do.
pub(super) fn heading(svg: &mut Svg, title: &str, legend: &[(Key, String)]) {
    svg.text((12.0, 24.0), "title", title);
    let mut y = 44.0;
    for (key, text) in legend {
        let x = match key {
            Key::Dot(class) => {
                svg.circle((20.0, y - 4.0), 5.0, class);
                32.0
            }
            Key::Line(class) => {
                svg.line((12.0, y - 4.0), (28.0, y - 4.0), class);
                34.0
            }
            Key::Square(class) => {
                svg.rect((14.0, y - 10.0), (12.0, 12.0), class, "");
                32.0
            }
            Key::None => 12.0,
        };
        svg.text((x, y), if *key == Key::None { "quiet" } else { "" }, text);
        y += 18.0;
    }
}

/// Grid, ticks and titles; data is drawn over it. The title of the upright axis stands level above
/// it, where it is read without turning the head.
pub(super) fn axes(svg: &mut Svg, x: &Axis<'_>, y: &Axis<'_>) {
    let ((left, right), (bottom, top)) = (x.scale.range(), y.scale.range());
    for (value, label) in &y.ticks {
        let at = y.scale.at(*value);
        svg.line((left, at), (right, at), "grid");
        svg.text((left - 7.0, at + 4.0), "e quiet small", label);
    }
    for (value, label) in &x.ticks {
        let at = x.scale.at(*value);
        svg.line((at, top), (at, bottom), "grid");
        svg.line((at, bottom), (at, bottom + 4.0), "axis");
        svg.text((at, bottom + 17.0), "m quiet small", label);
    }
    svg.line((left, bottom), (right, bottom), "axis");
    svg.text((f64::midpoint(left, right), bottom + 35.0), "m", x.title);
    svg.text((left - 36.0, top - 11.0), "", y.title);
}

/// A plot with nothing to draw: its title and why.
pub(super) fn nothing(id: &str, title: &str, why: &str) -> String {
    let mut svg = Svg::new(id, (SIZE.0, 90.0), title, why);
    heading(&mut svg, title, &[(Key::None, why.to_owned())]);
    svg.standalone()
}

/// 0 % to 100 % in fifths.
pub(super) fn percent_ticks() -> Vec<(f64, String)> {
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0].map(|share| (share, percent(share))).to_vec()
}

/// Closes a curve to the area between it and the level `base`.
pub(super) fn down_to(curve: &[Point], base: f64) -> Vec<Point> {
    let ends = curve.last().into_iter().chain(curve.first()).map(|point| (point.0, base));
    curve.iter().copied().chain(ends).collect()
}
