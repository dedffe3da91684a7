//! Common access to the points of all metric types.

use super::point_flags;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, SummaryDataPoint,
};

/// A point of any metric type.
pub(super) trait Point {
    fn flags(&self) -> u32;
    fn attributes(&self) -> &[KeyValue];
    fn clear_marks(&mut self) -> bool;
}

macro_rules! point {
    ($($kind:ty),*) => {$(
        impl Point for $kind {
            fn flags(&self) -> u32 {
                self.flags
            }

            fn attributes(&self) -> &[KeyValue] {
                &self.attributes
            }

            fn clear_marks(&mut self) -> bool {
                let has_some = self.flags & point_flags::ALL != 0;
                self.flags &= !point_flags::ALL;
                has_some
            }
        }
    )*};
}

point!(NumberDataPoint, HistogramDataPoint, SummaryDataPoint, ExponentialHistogramDataPoint);

/// Clears the marks: a sender's own bits must not be mistaken for them.
pub(super) fn clear_marks(data: &mut Data) -> bool {
    fn all<P: Point>(points: &mut [P]) -> bool {
        points.iter_mut().fold(false, |changed, point| point.clear_marks() | changed)
    }
    match data {
        Data::Gauge(gauge) => all(&mut gauge.data_points),
        Data::Sum(sum) => all(&mut sum.data_points),
        Data::Histogram(histogram) => all(&mut histogram.data_points),
        Data::ExponentialHistogram(histogram) => all(&mut histogram.data_points),
        Data::Summary(summary) => all(&mut summary.data_points),
    }
}

/// Returns the number of points of a metric.
pub(in crate::exporters) fn count_points(data: &Data) -> u64 {
    let points = match data {
        Data::Gauge(gauge) => gauge.data_points.len(),
        Data::Sum(sum) => sum.data_points.len(),
        Data::Histogram(histogram) => histogram.data_points.len(),
        Data::ExponentialHistogram(histogram) => histogram.data_points.len(),
        Data::Summary(summary) => summary.data_points.len(),
    };
    points as u64
}
