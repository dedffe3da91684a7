//! Exemplars: where they are printed, and the labels that link to their trace.

use crate::model::scrape::Exemplar;

/// Labels of an exemplar. Both together are far below the 128 characters that `OpenMetrics` allows.
pub(super) fn labels(exemplar: &Exemplar) -> impl Iterator<Item = (&'static str, &str)> {
    let labels = [("span_id", exemplar.span_id.as_str()), ("trace_id", exemplar.trace_id.as_str())];
    labels.into_iter().filter(|(_, text)| !text.is_empty())
}

/// Returns the newest exemplar with a trace.
pub(super) fn newest(exemplars: &[Exemplar]) -> Option<&Exemplar> {
    exemplars.iter().max_by_key(|exemplar| exemplar.time_unix_nano)
}

/// Returns the newest exemplar of each bucket, that of the overflow bucket last. Empty if there are none.
pub(super) fn by_bucket<'a>(exemplars: &'a [Exemplar], bounds: &[f64]) -> Vec<Option<&'a Exemplar>> {
    if exemplars.is_empty() {
        return Vec::new();
    }
    let mut chosen: Vec<Option<&Exemplar>> = vec![None; bounds.len() + 1];
    for exemplar in exemplars.iter().filter(|exemplar| !exemplar.value.is_nan()) {
        let bucket = bounds.partition_point(|bound| *bound < exemplar.value);
        if let Some(held) = chosen.get_mut(bucket)
            && held.is_none_or(|held| held.time_unix_nano <= exemplar.time_unix_nano)
        {
            *held = Some(exemplar);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_shows_its_newest_exemplar() {
        let exemplar = |value: f64, time_unix_nano: i64| Exemplar {
            trace_id: format!("{time_unix_nano:032x}"),
            span_id: String::new(),
            value,
            time_unix_nano,
        };
        let exemplars =
            [exemplar(1.0, 3), exemplar(0.5, 2), exemplar(7.0, 9), exemplar(f64::NAN, 10), exemplar(5.0, 4)];
        let times: Vec<_> =
            by_bucket(&exemplars, &[1.0, 2.0, 5.0]).iter().map(|chosen| chosen.map(|e| e.time_unix_nano)).collect();
        // A bound belongs to the bucket below it.
        assert_eq!(times, [Some(3), None, Some(4), Some(9)]);
        assert_eq!(newest(&exemplars).map(|e| e.time_unix_nano), Some(10));
        assert!(by_bucket(&[], &[1.0]).is_empty());
    }
}
