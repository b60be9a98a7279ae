//! A correlation matrix as a heat map.

use super::axes::{Key, heading};
use super::svg::Svg;
use super::words::fixed;

const WIDTH: f64 = 640.0;
const LEFT: f64 = 58.0;
const TOP: f64 = 108.0;

/// From this size on a correlation is written into its cell.
const WRITTEN: f64 = 0.3;

/// The pairs of `names`: `correlation(i, j)` in [−1, 1], the fuller the colour, the stronger; `None`
/// stays empty.
pub(crate) fn heat_map(
    names: &[&str],
    correlation: impl Fn(usize, usize) -> Option<f64>,
    description: &str,
) -> String {
    let cell = (WIDTH - LEFT - 12.0) / names.len().max(1) as f64;
    let height = TOP + cell * names.len() as f64 + 12.0;
    let title = "Correlation of the features";
    let mut svg = Svg::new("correlation", (WIDTH, height), title, description);
    let legend = [
        (Key::Square("plus"), "Rise and fall together".to_owned()),
        (Key::Square("minus"), "One falls where the other rises".to_owned()),
    ];
    heading(&mut svg, title, &legend);
    for (i, name) in names.iter().enumerate() {
        let middle = (i as f64 + 0.5) * cell;
        svg.text((LEFT - 6.0, TOP + middle + 4.0), "e quiet small", name);
        svg.turned_text((LEFT + middle + 4.0, TOP - 6.0), "quiet small", name);
    }
    let side = cell * names.len() as f64;
    svg.rect((LEFT, TOP), (side, side), "empty", "");
    for (i, row) in names.iter().enumerate() {
        for (j, column) in names.iter().enumerate() {
            let corner = (LEFT + cell * j as f64, TOP + cell * i as f64);
            let size = (cell - 1.0, cell - 1.0);
            match correlation(i, j) {
                _ if i == j => svg.rect(corner, size, "diagonal", ""),
                // Fainter than a hundredth cannot be seen.
                Some(value) if value.abs() >= 0.01 => {
                    let class = if value < 0.0 { "minus" } else { "plus" };
                    let hint = format!("{row}, {column}: {}", fixed(value, 2));
                    svg.shaded_rect(corner, size, (class, value.abs()), &hint);
                    if value.abs() >= WRITTEN {
                        let at = (corner.0 + cell / 2.0 - 0.5, corner.1 + cell / 2.0 + 2.5);
                        svg.text(at, "m tiny", &fixed(value, 2).replacen("0.", ".", 1));
                    }
                }
                _ => {}
            }
        }
    }
    svg.inline()
}

#[cfg(test)]
mod tests {
    use super::super::svg::tests::assert_well_formed;
    use super::*;

    #[test]
    fn cells_are_shaded_by_strength_and_coloured_by_sign() {
        let values = [[1.0, -0.5, 0.001], [-0.5, 1.0, 0.2], [0.001, 0.2, 1.0]];
        let svg = heat_map(&["Time", "V1", "V2"], |i, j| Some(values[i][j]), "three");
        assert_well_formed(&svg);
        // Cells of 190 from (58, 108).
        assert!(svg.contains("<rect x=\"248\" y=\"108\" width=\"189\" height=\"189\" class=\"minus\" fill-opacity=\"0.5\"><title>Time, V1: \u{2212}0.50</title></rect>"));
        assert!(svg.contains(">\u{2212}.50</text>"));
        assert_eq!(svg.matches("class=\"plus\" fill-opacity=\"0.2\"").count(), 2);
        assert_eq!(svg.matches("class=\"diagonal\"").count(), 3);
        assert_well_formed(&heat_map(&["V1", "V2"], |_, _| None, ""));
    }
}
