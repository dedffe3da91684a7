//! A count up to a point in time, with addition and subtraction.

use crate::exporters::temporality::exponential::Exponential;
use crate::exporters::temporality::faults;
use crate::exporters::temporality::points::Point;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, number_data_point,
};

/// Coarser than any target accepts: adding it would make the sum as coarse.
const SCALE_LEAST: i32 = -4;

/// A count of any kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Total {
    Int(i64),
    Double(f64),
    Explicit { bounds: Vec<f64>, counts: Vec<u64>, count: u64, sum: Option<f64> },
    Exponential(Box<Exponential>),
}

/// A point of any kind that counts.
pub(super) trait Counts: Point {
    /// The start of its count, and its time.
    fn times(&self) -> (u64, u64);
    fn set_time(&mut self, time_unix_nano: u64);
    fn set_start(&mut self, start_unix_nano: u64);
    /// `None` if it has no value.
    fn total(&self) -> Option<Total>;
    /// Replaces its start and value.
    fn set(&mut self, start_unix_nano: u64, total: &Total);
}

impl Total {
    /// Returns true if values can be added to it: NaN or infinity would carry over to everything that follows.
    fn is_finite(&self) -> bool {
        match self {
            Total::Int(_) => true,
            Total::Double(value) => value.is_finite(),
            Total::Explicit { sum, .. } => sum.is_none_or(f64::is_finite),
            Total::Exponential(histogram) => histogram.sum.is_none_or(f64::is_finite),
        }
    }

    /// Returns why it cannot be added to others: an invalid count would spoil everything that follows.
    pub(super) fn fault(&self, may_go_down: bool) -> Option<String> {
        match self {
            Total::Double(value) if may_go_down && !value.is_finite() => Some("it is not a finite number".to_owned()),
            Total::Int(_) | Total::Double(_) if may_go_down => None,
            Total::Int(_) | Total::Double(_) => faults::of_counter(self.number()?),
            Total::Explicit { bounds, counts, count, .. } => faults::of_buckets(bounds, counts, *count),
            Total::Exponential(histogram) if histogram.scale < SCALE_LEAST => {
                Some(format!("its scale is {}, expected {SCALE_LEAST} or more", histogram.scale))
            }
            Total::Exponential(histogram) => faults::of_exponential(histogram),
        }
    }

    /// Number of bucket values it keeps.
    pub(super) fn weight(&self) -> usize {
        match self {
            Total::Int(_) | Total::Double(_) => 0,
            Total::Explicit { bounds, counts, .. } => bounds.len() + counts.len(),
            Total::Exponential(histogram) => histogram.weight(),
        }
    }

    /// Adds both; `None` if they cannot be added.
    pub(super) fn with(&self, more: &Total) -> Option<Total> {
        if !self.is_finite() || !more.is_finite() {
            return None;
        }
        Some(match (self, more) {
            (Total::Int(held), Total::Int(more)) => Total::Int(held.checked_add(*more)?),
            (
                Total::Explicit { bounds, counts, count, sum },
                Total::Explicit { bounds: own_bounds, counts: own_counts, count: own_count, sum: own_sum },
            ) if bounds == own_bounds && counts.len() == own_counts.len() => Total::Explicit {
                bounds: bounds.clone(),
                counts: counts
                    .iter()
                    .zip(own_counts)
                    .map(|(held, own)| held.checked_add(*own))
                    .collect::<Option<_>>()?,
                count: count.checked_add(*own_count)?,
                sum: sum.zip(*own_sum).map(|(held, own)| held + own),
            },
            (Total::Exponential(held), Total::Exponential(more)) => {
                let mut sum = held.clone();
                sum.add(more).then_some(Total::Exponential(sum))?
            }
            // A stream that mixes both kinds counts as double.
            _ => Total::Double(self.number()? + more.number()?),
        })
    }

    /// Reduces a histogram to the bounds that the other one has too, where both can be added exactly.
    pub(super) fn at_bounds_of(&self, other: &Total) -> Total {
        let (Total::Explicit { bounds, counts, count, sum }, Total::Explicit { bounds: others, .. }) = (self, other)
        else {
            return self.clone();
        };
        let (mut shared, mut within) = (Vec::new(), Vec::new());
        let (mut below, mut told) = (0_u64, 0_u64);
        for (bound, count) in bounds.iter().zip(counts) {
            below = below.saturating_add(*count);
            // Bounds ascend, otherwise the point would have been rejected.
            if others.binary_search_by(|other| other.total_cmp(bound)).is_ok() {
                shared.push(*bound);
                within.push(below - told);
                told = below;
            }
        }
        within.push(count.saturating_sub(told));
        Total::Explicit { bounds: shared, counts: within, count: *count, sum: *sum }
    }

    /// Returns the increase since `before`; `None` if a count has decreased, so that it restarted.
    pub(super) fn since(&self, before: &Total) -> Option<Total> {
        Some(match (self, before) {
            (
                Total::Explicit { bounds, counts, count, sum },
                Total::Explicit { bounds: old_bounds, counts: old_counts, count: old_count, sum: old_sum },
            ) if bounds == old_bounds && counts.len() == old_counts.len() => Total::Explicit {
                bounds: bounds.clone(),
                counts: counts.iter().zip(old_counts).map(|(now, old)| now.checked_sub(*old)).collect::<Option<_>>()?,
                count: count.checked_sub(*old_count)?,
                sum: sum.zip(*old_sum).map(|(now, old)| now - old),
            },
            (Total::Exponential(now), Total::Exponential(old)) => Total::Exponential(Box::new(now.since(old)?)),
            (Total::Int(_) | Total::Double(_), Total::Int(_) | Total::Double(_)) => {
                self.change(before).filter(|change| change.number().is_some_and(|change| change >= 0.0))?
            }
            _ => return None,
        })
    }

    /// Returns the change of a number that may decrease; `None` for other kinds.
    pub(super) fn change(&self, before: &Total) -> Option<Total> {
        Some(match (self, before) {
            (Total::Int(now), Total::Int(before)) => Total::Int(now.saturating_sub(*before)),
            _ => Total::Double(self.number()? - before.number()?),
        })
    }

    /// Returns an empty count of the same kind.
    pub(super) fn nothing(&self) -> Total {
        match self {
            Total::Int(_) => Total::Int(0),
            Total::Double(_) => Total::Double(0.0),
            Total::Explicit { bounds, counts, sum, .. } => Total::Explicit {
                bounds: bounds.clone(),
                counts: vec![0; counts.len()],
                count: 0,
                sum: sum.map(|_| 0.0),
            },
            Total::Exponential(histogram) => Total::Exponential(Box::new(histogram.nothing())),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
    fn number(&self) -> Option<f64> {
        match self {
            Total::Int(value) => Some(*value as f64),
            Total::Double(value) => Some(*value),
            Total::Explicit { .. } | Total::Exponential(_) => None,
        }
    }
}

macro_rules! times {
    () => {
        fn times(&self) -> (u64, u64) {
            (self.start_time_unix_nano, self.time_unix_nano)
        }

        fn set_time(&mut self, time_unix_nano: u64) {
            self.time_unix_nano = time_unix_nano;
        }

        fn set_start(&mut self, start_unix_nano: u64) {
            self.start_time_unix_nano = start_unix_nano;
        }
    };
}

impl Counts for NumberDataPoint {
    times!();

    fn total(&self) -> Option<Total> {
        Some(match self.value? {
            number_data_point::Value::AsInt(value) => Total::Int(value),
            number_data_point::Value::AsDouble(value) => Total::Double(value),
        })
    }

    fn set(&mut self, start_unix_nano: u64, total: &Total) {
        self.start_time_unix_nano = start_unix_nano;
        match total {
            Total::Int(value) => self.value = Some(number_data_point::Value::AsInt(*value)),
            Total::Double(value) => self.value = Some(number_data_point::Value::AsDouble(*value)),
            Total::Explicit { .. } | Total::Exponential(_) => {}
        }
    }
}

impl Counts for HistogramDataPoint {
    times!();

    fn total(&self) -> Option<Total> {
        let (bounds, counts) = (self.explicit_bounds.clone(), self.bucket_counts.clone());
        Some(Total::Explicit { bounds, counts, count: self.count, sum: self.sum })
    }

    fn set(&mut self, start_unix_nano: u64, total: &Total) {
        self.start_time_unix_nano = start_unix_nano;
        // They are unknown for the whole period.
        (self.min, self.max) = (None, None);
        if let Total::Explicit { bounds, counts, count, sum } = total {
            self.explicit_bounds.clone_from(bounds);
            self.bucket_counts.clone_from(counts);
            (self.count, self.sum) = (*count, *sum);
        }
    }
}

impl Counts for ExponentialHistogramDataPoint {
    times!();

    fn total(&self) -> Option<Total> {
        Some(Total::Exponential(Box::new(Exponential::of(self))))
    }

    fn set(&mut self, start_unix_nano: u64, total: &Total) {
        self.start_time_unix_nano = start_unix_nano;
        (self.min, self.max) = (None, None);
        if let Total::Exponential(histogram) = total {
            // A histogram that does not fit cannot come from real counts; its point is passed on unchanged.
            let _fits = histogram.write_to(self);
        }
    }
}
