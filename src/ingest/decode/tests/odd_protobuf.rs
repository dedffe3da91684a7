//! The cost of bad fields in protobuf.

use super::*;
use crate::model::decoded::Rejected;
use serde_json::json;

/// Encodes a protobuf field from its number, wire type and bytes.
fn field(number: u8, wire: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    prost::encoding::encode_varint(u64::from(number) << 3 | u64::from(wire), &mut out);
    if wire == 2 {
        prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    }
    out.extend_from_slice(bytes);
    out
}

/// Builds and decodes a request with a span that has `bytes` appended, and a valid one after it.
fn protobuf_with(bytes: &[u8]) -> (Bytes, Decoded) {
    let odd = [span().encode_to_vec(), bytes.to_vec()].concat();
    let spans = [field(2, 2, &odd), field(2, 2, &span().encode_to_vec())].concat();
    let body: Bytes = field(1, 2, &field(2, 2, &spans)).into();
    let decoded = decoder().decode(Signal::Traces, Encoding::Protobuf, &body, RECEIVED).expect("decodes");
    (body, decoded)
}

#[test]
fn in_protobuf_a_field_of_another_wire_type_costs_that_field() {
    let attribute = |value: &[u8]| field(9, 2, &[field(1, 2, b"k"), field(2, 2, value)].concat());
    for (bytes, dropped, attributes) in [
        (field(5, 0, &[7]), 1, json!({})),
        (field(16, 2, b"flag"), 1, json!({})),
        (field(9, 0, &[7]), 1, json!({})),
        (field(99, 0, &[7]), 0, json!({})),
        // A group, which is obsolete, with a field in it.
        ([field(99, 3, &field(1, 0, &[1])), field(99, 4, &[])].concat(), 0, json!({})),
        ([field(5, 3, &field(1, 2, b"x")), field(5, 4, &[])].concat(), 1, json!({})),
        // A bool and an int of ten bytes with 64 significant bits; and one with more.
        (attribute(&field(3, 0, &[0xff; 9].into_iter().chain([1]).collect::<Vec<_>>())), 0, json!({"k": "-1"})),
        (attribute(&field(3, 0, &[0xff; 9].into_iter().chain([2]).collect::<Vec<_>>())), 1, json!({})),
        (attribute(&field(1, 0, &[7])), 1, json!({})),
        // The last of several values counts.
        (attribute(&[field(1, 2, b"a"), field(3, 0, &[7])].concat()), 0, json!({"k": "7"})),
        (attribute(&[field(3, 0, &[7]), field(1, 2, b"a")].concat()), 0, json!({"k": "a"})),
        // An attribute that is not a valid message.
        (field(9, 2, &[0xff, 0xff]), 1, json!({})),
        (field(9, 2, &[field(1, 2, b"k"), field(2, 2, &[0x0a, 9])].concat()), 1, json!({})),
    ] {
        let (body, decoded) = protobuf_with(&bytes);
        let row = &rows(&decoded, "spans")[0];
        assert_eq!((decoded.items, &row["name"], &row["attributes"]), (2, &json!("work"), &attributes), "{bytes:?}");
        let told = if dropped > 0 { format!("{dropped} attribute or field dropped: field ") } else { String::new() };
        assert!(decoded.rejected.message.starts_with(&told), "{bytes:?}: {}", decoded.rejected.message);
        assert_eq!(decoded.rejected.message.is_empty(), dropped == 0);
        // Exporters get valid protobuf with the same contents.
        let forwarded = ExportTraceServiceRequest::decode(forwarded(body)).expect("is protobuf");
        let again = decode(Signal::Traces, &forwarded);
        assert_eq!((again.tables, again.rejected), (decoded.tables, Rejected::default()));
    }
}

#[test]
fn in_protobuf_a_value_that_nests_too_deep_costs_its_attribute() {
    let deep = |levels: usize| {
        (0..levels).fold(string("x"), |value, _| AnyValue {
            value: Some(Value::ArrayValue(ArrayValue { values: vec![value] })),
        })
    };
    for (levels, dropped) in [(32, false), (33, true), (45, true), (60, true), (5000, true)] {
        let bytes = field(9, 2, &attribute_bytes(levels));
        let (body, decoded) =
            protobuf_with(&[bytes, field(9, 2, &attribute("good", number(1)).encode_to_vec())].concat());
        let attributes = rows(&decoded, "spans")[0]["attributes"].clone();
        assert_eq!(
            (decoded.items, &attributes["good"], attributes.get("k").is_none()),
            (2, &json!("1"), dropped),
            "{levels}"
        );
        let expected = "1 attribute or field dropped: attribute \"k\": expected at most 32 lists or 21 maps within one another, found more";
        assert_eq!(decoded.rejected.message, if dropped { expected } else { "" });
        assert_eq!(forwarded(body.clone()) == body, !dropped);
        if levels < 40 {
            assert_eq!(attribute_bytes(levels), attribute("k", deep(levels)).encode_to_vec());
        }
    }
}

/// Encodes the attribute `k` with nested lists from the inside out: prost would reject it.
fn attribute_bytes(levels: usize) -> Vec<u8> {
    let value = (0..levels).fold(field(1, 2, b"x"), |value, _| field(5, 2, &field(1, 2, &value)));
    [field(1, 2, b"k"), field(2, 2, &value)].concat()
}

#[test]
fn repeated_numbers_may_be_packed_or_not() {
    let counts = |bytes: Vec<u8>| {
        let point = [
            field(3, 1, &7_u64.to_le_bytes()),
            field(4, 1, &3_u64.to_le_bytes()),
            field(7, 1, &1_f64.to_le_bytes()),
            bytes,
        ]
        .concat();
        let metric = [field(1, 2, b"m"), field(9, 2, &[field(1, 2, &point), field(2, 0, &[1])].concat())].concat();
        let body: Bytes = field(1, 2, &field(2, 2, &field(2, 2, &metric))).into();
        let decoded = decoder().decode(Signal::Metrics, Encoding::Protobuf, &body, RECEIVED).expect("decodes");
        (
            decoded.items,
            decoded.rejected.items.len(),
            decoded.items.checked_sub(1).map(|_| rows(&decoded, "histograms")[0]["bucket_counts"].clone()),
        )
    };
    let (one, two) = (1_u64.to_le_bytes(), 2_u64.to_le_bytes());
    let expected = (1, 0, Some(json!([1, 2])));
    assert_eq!(counts([field(6, 1, &one), field(6, 1, &two)].concat()), expected);
    assert_eq!(counts(field(6, 2, &[one, two].concat())), expected);
    // Invalid bytes for the list: the point lacks its counts.
    assert_eq!(counts(field(6, 2, &[1, 2, 3])), (0, 1, None));
}
