//! Which features move together.

use rayon::prelude::*;

/// Pearson's correlation of every pair of n columns, in [−1, 1]. Each pair is taken over the rows in
/// which both values are finite, as pandas' `DataFrame.corr` does.
#[derive(Debug, Clone, PartialEq)]
pub struct CorrelationMatrix {
    columns: usize,
    /// The pairs below the diagonal, row by row.
    below: Vec<Option<f64>>,
}

impl CorrelationMatrix {
    /// Of columns of equal length.
    #[must_use]
    pub fn new(columns: &[Vec<f64>]) -> Self {
        let centred: Vec<Column<'_>> =
            columns.par_iter().map(|values| Column::new(values)).collect();
        let pairs: Vec<(usize, usize)> =
            (0..columns.len()).flat_map(|i| (0..i).map(move |j| (i, j))).collect();
        let below = pairs.par_iter().map(|&(i, j)| pearson(&centred[i], &centred[j])).collect();
        Self { columns: columns.len(), below }
    }

    /// Of columns `i` and `j`; `None` where one of them does not vary, or they share less than two
    /// rows. A column with itself is 1.
    #[must_use]
    pub fn get(&self, i: usize, j: usize) -> Option<f64> {
        let (high, low) = (i.max(j), i.min(j));
        if high == low {
            Some(1.0)
        } else {
            self.below.get(high * (high - 1) / 2 + low).copied()?
        }
    }

    /// All pairs `(i, j, correlation)` with i < j, the strongest first.
    #[must_use]
    pub fn strongest(&self) -> Vec<(usize, usize, f64)> {
        let mut pairs: Vec<(usize, usize, f64)> = (0..self.columns)
            .flat_map(|j| (0..j).map(move |i| (i, j)))
            .filter_map(|(i, j)| Some((i, j, self.get(i, j)?)))
            .collect();
        pairs.sort_by(|a, b| b.2.abs().total_cmp(&a.2.abs()));
        pairs
    }
}

/// A column and what every pair with it needs.
struct Column<'a> {
    values: &'a [f64],
    /// Whether all values are finite; the fields below mean something only then.
    complete: bool,
    /// Values minus their mean, which keeps the sums of products exact; zeros if all are equal.
    centred: Vec<f64>,
    /// Their sum of squares.
    squares: f64,
}

impl<'a> Column<'a> {
    fn new(values: &'a [f64]) -> Self {
        let complete = values.iter().all(|value| value.is_finite());
        // Rounding would give equal values a spread around their mean.
        let constant = values.windows(2).all(|pair| pair[0] == pair[1]);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let centre = |value: &f64| if constant { 0.0 } else { value - mean };
        let centred: Vec<f64> = values.iter().map(centre).collect();
        let squares = centred.iter().map(|value| value * value).sum();
        Self { values, complete, centred, squares }
    }
}

fn pearson(x: &Column<'_>, y: &Column<'_>) -> Option<f64> {
    if x.complete && y.complete {
        let products: f64 = x.centred.iter().zip(&y.centred).map(|(a, b)| a * b).sum();
        return ratio(products, x.squares, y.squares);
    }
    let (x, y): (Vec<f64>, Vec<f64>) =
        x.values.iter().zip(y.values).filter(|(a, b)| a.is_finite() && b.is_finite()).unzip();
    pearson(&Column::new(&x), &Column::new(&y))
}

fn ratio(products: f64, squares_x: f64, squares_y: f64) -> Option<f64> {
    let correlation = products / (squares_x.sqrt() * squares_y.sqrt());
    (squares_x > 0.0 && squares_y > 0.0 && correlation.is_finite())
        .then(|| correlation.clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_agree_with_numpy() {
        // numpy 2.4: np.corrcoef([[1, 2, 3, 5], [2, 1, 4, 3], [-2, -4, -6, -10]])
        let matrix = CorrelationMatrix::new(&[
            vec![1.0, 2.0, 3.0, 5.0],
            vec![2.0, 1.0, 4.0, 3.0],
            vec![-2.0, -4.0, -6.0, -10.0],
        ]);
        assert!((matrix.get(0, 1).unwrap() - 0.529_150_262_212_918).abs() < 1e-15);
        assert_eq!(matrix.get(0, 1), matrix.get(1, 0));
        assert!((matrix.get(2, 0).unwrap() + 1.0).abs() < 1e-15);
        assert_eq!(matrix.get(1, 1), Some(1.0));
        let (i, j, strongest) = matrix.strongest()[0];
        assert_eq!((i, j, strongest.round()), (0, 2, -1.0));
    }

    #[test]
    fn rows_with_a_gap_are_left_out_of_their_pairs_only() {
        let gap = f64::NAN;
        let matrix = CorrelationMatrix::new(&[
            vec![1.0, 2.0, 3.0, 5.0, gap],
            vec![2.0, 1.0, 4.0, 3.0, 1e9],
            vec![0.1; 5],
            vec![gap, gap, gap, gap, f64::INFINITY],
        ]);
        assert!((matrix.get(0, 1).unwrap() - 0.529_150_262_212_918).abs() < 1e-15);
        assert_eq!(matrix.get(0, 2), None);
        assert_eq!(matrix.get(0, 3), None);
        assert_eq!(CorrelationMatrix::new(&[]).strongest(), []);
    }
}
