use super::*;
use arrow::array::TimestampMicrosecondArray;
use arrow::datatypes::{Field, TimeUnit};
use datafusion::common::DFSchema;
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, col, lit};
use datafusion::physical_expr::create_physical_expr;

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("f", DataType::Float64, true),
        Field::new("t", DataType::Utf8, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("b", DataType::Boolean, true),
    ])
}

fn rows() -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![Some(1), None, Some(3), Some(4)])),
        Arc::new(Float64Array::from(vec![Some(0.5), Some(f64::NAN), None, Some(-1.0)])),
        Arc::new(StringArray::from(vec![Some("a"), Some("b"), Some(""), None])),
        Arc::new(TimestampMicrosecondArray::from(vec![Some(10), Some(20), None, Some(40)]).with_timezone("UTC")),
        Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)])),
    ];
    RecordBatch::try_new(Arc::new(schema()), columns).unwrap()
}

fn physical(filter: &Expr) -> Arc<dyn PhysicalExpr> {
    let schema = DFSchema::try_from(schema()).unwrap();
    create_physical_expr(filter, &schema, &ExecutionProps::new(), &PhysicalPlanningContext::default()).unwrap()
}

/// Returns the values of `n` (null in the second row) that the filter itself accepts, and those that pass its sieve.
fn held(filter: &Expr) -> (Vec<usize>, Option<Vec<usize>>) {
    let (physical, rows) = (physical(filter), rows());
    let passes = |mask: &BooleanArray| (0..4).filter(|row| mask.is_valid(*row) && mask.value(*row)).collect::<Vec<_>>();
    let own = physical.evaluate(&rows).unwrap().into_array(4).unwrap();
    let own = passes(own.as_any().downcast_ref::<BooleanArray>().unwrap());
    let sieve = Sieve::of(&[physical], &schema());
    // Serialize it as on the socket.
    let sieve: Option<Sieve> = serde_json::from_str(&serde_json::to_string(&sieve).unwrap()).unwrap();
    (own, sieve.map(|sieve| passes(&sieve.passes(&rows).unwrap())))
}

#[test]
fn what_can_be_told_is_what_the_filter_takes() {
    let at = |us: i64| lit(ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into())));
    for (filter, expected) in [
        (col("n").gt(lit(1_i64)), vec![2, 3]),
        (lit(3_i64).gt(col("n")), vec![0]),
        (col("n").not_eq(lit(3_i64)), vec![0, 3]),
        (col("f").lt(lit(1.0)), vec![0, 3]),
        (col("f").gt_eq(lit(0.5)), vec![0, 1]),
        (col("t").eq(lit("")), vec![2]),
        (col("t").lt_eq(lit("a")), vec![0, 2]),
        (col("at").lt(at(20)), vec![0]),
        (col("b").eq(lit(true)), vec![0, 3]),
        (col("n").is_null(), vec![1]),
        (col("n").is_not_null().and(col("t").is_null()), vec![3]),
        (col("n").is_null().or(col("n").lt(lit(2_i64))), vec![0, 1]),
        (lit(false), vec![]),
    ] {
        assert_eq!(held(&filter), (expected.clone(), Some(expected)), "{filter}");
    }
}

#[test]
fn what_cannot_be_told_holds_nothing_back() {
    for filter in [
        (col("n") + lit(1_i64)).gt(lit(1_i64)),
        col("n").gt(lit(1_i64)).or((col("n") + lit(1_i64)).gt(lit(1_i64))),
        col("f").gt(lit(f64::NEG_INFINITY)),
        col("n").lt(col("n")),
    ] {
        assert_eq!(held(&filter).1, None, "{filter}");
    }
    // In a conjunction, the part that can be translated is enough.
    let filter = col("n").gt(lit(1_i64)).and((col("n") + lit(1_i64)).gt(lit(4_i64)));
    assert_eq!(held(&filter), (vec![3], Some(vec![2, 3])));
}
