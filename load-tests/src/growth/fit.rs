//! Which shape a cost has as something grows: constant, logarithmic, linear, or none that stands out of the noise. Pure.

use serde::{Deserialize, Serialize};

use crate::statistics::{median, range};

/// A cost that varies by no more than this part of its median is called constant: as much as rounds vary on their own.
const NOISE: f64 = 0.15;

/// A shape that explains less of the variation than this part is none.
const EXPLAINED: f64 = 0.8;

/// A slope that is so many times the one before is a knee.
const KNEE: f64 = 2.0;

/// How a cost grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Shape {
    Constant,
    Logarithmic,
    Linear,
    /// It varies, but not with what grows; or it falls.
    NotGrowing,
}

/// A shape with its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fit {
    pub(crate) shape: Shape,
    /// The cost at the beginning; of a constant one its median.
    pub(crate) base: f64,
    /// For each further unit, or each doubling, of what grows; 0 of what does not grow.
    pub(crate) slope: f64,
    /// How much of the variation the shape explains, 0 to 1.
    pub(crate) explained: f64,
}

/// The shape that fits best. `None` of fewer than three points.
pub(crate) fn fit(points: &[(f64, f64)]) -> Option<Fit> {
    if points.len() < 3 {
        return None;
    }
    let costs: Vec<f64> = points.iter().map(|(_, cost)| *cost).collect();
    let (middle, (least, greatest)) = (median(&costs)?, range(&costs)?);
    if greatest - least <= NOISE * middle {
        return Some(Fit { shape: Shape::Constant, base: middle, slope: 0.0, explained: 1.0 });
    }
    let linear = line(points, |grown| grown);
    // One more, so that nothing at all is a point too.
    let logarithmic = line(points, |grown| (1.0 + grown).log2());
    let (shape, (base, slope, explained)) =
        if linear.2 >= logarithmic.2 { (Shape::Linear, linear) } else { (Shape::Logarithmic, logarithmic) };
    if explained < EXPLAINED || slope <= 0.0 {
        return Some(Fit { shape: Shape::NotGrowing, base: middle, slope: 0.0, explained });
    }
    Some(Fit { shape, base, slope, explained })
}

/// Where the cost of one more becomes at least twice what it was: the points at which a steeper piece begins. Pieces that
/// add less than the noise count as flat.
pub(crate) fn knees(points: &[(f64, f64)]) -> Vec<f64> {
    let slopes: Vec<(f64, f64)> = points
        .windows(2)
        .filter_map(|pair| {
            let [(from, before), (to, after)] = pair else { return None };
            let rise = after - before;
            Some((*from, if rise > NOISE * before { rise / (to - from) } else { 0.0 }))
        })
        .collect();
    let pairs = slopes.windows(2).filter_map(|pair| {
        let [(_, before), (at, after)] = pair else { return None };
        (*before > 0.0 && *after > KNEE * before).then_some(*at)
    });
    pairs.collect()
}

/// Least squares of cost = base + slope * x: base, slope, and how much of the variation they explain.
#[allow(clippy::cast_precision_loss, reason = "a handful of points")]
fn line(points: &[(f64, f64)], x: impl Fn(f64) -> f64) -> (f64, f64, f64) {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(grown, _)| x(*grown)).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, cost)| cost).sum::<f64>() / count;
    let sum = |term: &dyn Fn(f64, f64) -> f64| -> f64 {
        points.iter().map(|(grown, cost)| term(x(*grown) - mean_x, cost - mean_y)).sum()
    };
    let slope = sum(&|dx, dy| dx * dy) / sum(&|dx, _| dx * dx);
    let left = sum(&|dx, dy| (dy - slope * dx).powi(2));
    let all = sum(&|_, dy| dy * dy);
    (mean_y - slope * mean_x, slope, 1.0 - left / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROWN: [f64; 6] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0];

    fn points(cost: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        GROWN.iter().map(|grown| (*grown, cost(*grown))).collect()
    }

    #[test]
    fn each_shape_is_known_from_its_points_with_some_noise_on_them() {
        // A tenth of noise, alternating: what a quiet machine shows.
        let noise = |grown: f64| if grown.log2() % 4.0 < 1.0 { 1.05 } else { 0.95 };
        let constant = fit(&points(|grown| 20.0 * noise(grown))).unwrap();
        assert_eq!((constant.shape, constant.slope), (Shape::Constant, 0.0));
        let linear = fit(&points(|grown| (20.0 + 0.5 * grown) * noise(grown))).unwrap();
        assert_eq!(linear.shape, Shape::Linear);
        assert!((0.4..0.6).contains(&linear.slope) && linear.explained > 0.99, "{linear:?}");
        let logarithmic = fit(&points(|grown| (20.0 + 5.0 * grown.log2()) * noise(grown))).unwrap();
        assert_eq!(logarithmic.shape, Shape::Logarithmic);
        assert!((4.0..6.5).contains(&logarithmic.slope), "{logarithmic:?}");
        // One step that is off, and one that falls: neither grows.
        for cost in [|grown: f64| if grown == 64.0 { 30.0 } else { 20.0 }, |grown: f64| 20.0 + 80.0 / grown] {
            assert_eq!(fit(&points(cost)).unwrap().shape, Shape::NotGrowing);
        }
        assert_eq!(fit(&points(|grown| grown)[..2]), None);
    }

    #[test]
    fn a_knee_is_where_one_more_begins_to_cost_twice_as_much() {
        assert_eq!(knees(&points(|grown| 10.0 + grown)), Vec::<f64>::new());
        let bent = points(|grown| 10.0 + grown + 3.0 * (grown - 64.0).max(0.0));
        assert_eq!(knees(&bent), [64.0]);
    }
}
