//! Checks whether new rows have an attribute that a rollup needs, to avoid runs without a result.

use arrow::array::{Array as _, AsArray as _, RecordBatch};

/// Column of the attributes that have no column of their own.
const ATTRIBUTES: &str = "attributes";

/// Returns whether a row has one of the attributes; true if there are no attributes to look for or no such column.
pub(crate) fn is_met(needs: &[String], batches: &[RecordBatch]) -> bool {
    needs.is_empty() || batches.iter().any(|batch| has_any(needs, batch))
}

fn has_any(needs: &[String], batch: &RecordBatch) -> bool {
    let attributes = batch.column_by_name(ATTRIBUTES).and_then(|column| column.as_map_opt());
    let Some(attributes) = attributes else { return true };
    let Some(keys) = attributes.keys().as_string_opt::<i32>() else { return true };
    // A sliced batch contains the entries of all rows.
    let offsets = attributes.value_offsets();
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return false };
    let (first, last) = (usize::try_from(*first).unwrap_or(0), usize::try_from(*last).unwrap_or(keys.len()));
    (first..last).any(|at| needs.iter().any(|need| need == keys.value(at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, MapBuilder, StringBuilder};
    use std::sync::Arc;

    fn batch(rows: &[&[&str]]) -> RecordBatch {
        let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for keys in rows {
            for key in *keys {
                map.keys().append_value(key);
                map.values().append_value("x");
            }
            map.append(true).unwrap();
        }
        RecordBatch::try_from_iter([(ATTRIBUTES, Arc::new(map.finish()) as ArrayRef)]).unwrap()
    }

    #[test]
    fn one_row_with_one_of_them_will_do() {
        let needs = ["cache.hit".to_owned(), "age".to_owned()];
        let (with, without) = (batch(&[&["a"], &["b", "age"]]), batch(&[&["a", "cache"], &[]]));
        assert!(is_met(&needs, &[without.clone(), with.clone()]));
        assert!(!is_met(&needs, &[without]));
        assert!(!is_met(&needs, &[with.slice(0, 1)]));
        assert!(!is_met(&needs, &[batch(&[])]));
        assert!(!is_met(&needs, &[]));
        assert!(is_met(&[], &[batch(&[&["a"]])]));
    }

    #[test]
    fn rows_without_attributes_are_read() {
        let numbers = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
        assert!(is_met(&["cache.hit".to_owned()], &[numbers]));
    }
}
