use super::*;

const FILE: &str = "a.yaml";

fn faults_of(text: &str, read: impl FnOnce(&MapReader<'_>)) -> Vec<String> {
    let root = parse(FILE, text).expect("is YAML");
    let gather = Gather::new(FILE);
    let map = gather.map(&root, "").expect("is a map");
    read(&map);
    map.finish();
    gather.take().iter().map(ToString::to_string).collect()
}

fn load_faults(text: &str) -> Vec<String> {
    parse(FILE, text).expect_err("is faulty").0.iter().map(ToString::to_string).collect()
}

#[test]
fn every_type_is_read_and_order_kept() {
    let faults = faults_of("s: x\ni: -3\nf: 1.5\nb: true\nl: [a, b]\nm: {z: 1, a: 2}\nn:\n", |map| {
        assert_eq!(map.str("s").as_deref(), Some("x"));
        assert_eq!(map.int("i"), Some(-3));
        assert_eq!(map.float("f"), Some(1.5));
        assert_eq!(map.float("i"), Some(-3.0));
        assert_eq!(map.bool("b"), Some(true));
        assert_eq!(map.strs("l"), ["a", "b"]);
        let inner = map.map("m").expect("map");
        assert_eq!(inner.entries().iter().map(|e| e.key.as_str()).collect::<Vec<_>>(), ["z", "a"]);
        assert_eq!(map.str("n"), None);
        assert!(map.has("n"));
        assert_eq!(map.parsed("i", "a number", |t| t.parse::<i8>().ok()), Some(-3));
    });
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn every_wrong_type_is_told_with_what_was_found() {
    let faults = faults_of("a: 5\nb: x\nc:\n  - 1\nd: {inner: no}\n", |map| {
        map.str("a");
        map.int("b");
        map.strs("c");
        let inner = map.map("d").expect("map");
        inner.bool("inner");
        inner.finish();
        map.need_str("e");
    });
    assert_eq!(
        faults,
        [
            "a.yaml:1: a: expected text (a number needs quotes), found number 5",
            "a.yaml:1: e: is missing",
            "a.yaml:2: b: expected a whole number, found text \"x\"",
            "a.yaml:4: c[0]: expected text, found number 1",
            "a.yaml:5: d.inner: expected true or false, found text \"no\"",
        ]
    );
}

#[test]
fn an_unknown_key_gets_the_nearest_known_one() {
    let faults = faults_of("endpiont: x\nzzz: 1\n", |map| {
        map.str("endpoint");
    });
    assert_eq!(
        faults,
        [
            "a.yaml:1: endpiont: unknown key; did you mean \"endpoint\"?",
            "a.yaml:2: zzz: unknown key; known are endpoint",
        ]
    );
}

#[test]
fn a_word_out_of_a_list_is_checked() {
    let faults = faults_of("kind: signl\n", |map| {
        assert_eq!(map.word("kind", &[("signal", 1), ("rollup", 2)]), None);
    });
    assert_eq!(
        faults,
        ["a.yaml:1: kind: expected one of signal, rollup, found text \"signl\"; did you mean \"signal\"?"]
    );
}

#[test]
fn all_keys_given_twice_are_told() {
    assert_eq!(
        load_faults("a: 1\nb:\n  c: 1\n  'c': 2\na: 3\n"),
        ["a.yaml:4: b.c: the key is given twice in this map", "a.yaml:5: a: the key is given twice in this map",]
    );
}

#[test]
fn anchors_and_merge_keys_work_and_the_map_itself_wins() {
    let root =
        parse(FILE, "base: &base {x: 1, y: 2}\nmore: {<<: *base, y: 3}\nlist: {<<: [{q: 1}, *base]}\n").expect("YAML");
    let more = root.get("more").expect("more").to_json();
    assert_eq!(more, serde_json::json!({"y": 3, "x": 1}));
    assert_eq!(root.get("list").expect("list").to_json(), serde_json::json!({"q": 1, "x": 1, "y": 2}));
}

#[test]
fn what_is_not_yaml_is_told_with_its_line_in_the_file() {
    let faults = parse_at("p.sql", "a: [1\nb: 2\n", 10).expect_err("is faulty");
    assert_eq!(faults.0.len(), 1);
    assert!(faults.0[0].line >= 11, "{faults}");
    assert!(faults.0[0].message.starts_with("this is not YAML"), "{faults}");
    assert_eq!(load_faults("a: 1\n---\nb: 1\n").len(), 1);
}

#[test]
fn an_empty_text_is_an_empty_map() {
    assert!(faults_of("", |_| {}).is_empty());
    assert!(faults_of("# nothing\n", |_| {}).is_empty());
}

#[test]
fn where_text_is_meant_numbers_and_truth_values_are_as_they_are_written() {
    let text = "a: 007\nb: 1.10\nc: 12345e3\nd: 0x1F\ne: True\nf: +5\ng: &x 00\nh: *x\ni: [1e2 , -0]\n0123: {\u{e4}: 08.0}\nj: \"01\"\n";
    let root = parse(FILE, text).expect("YAML");
    let written = |key: &str| root.get(key).and_then(Node::scalar).expect("a scalar");
    let all: Vec<String> = ["a", "b", "c", "d", "e", "f", "g", "h", "j"].map(written).into();
    assert_eq!(all, ["007", "1.10", "12345e3", "0x1F", "True", "+5", "00", "00", "01"]);
    let Some(Value::List(items)) = root.get("i").map(|node| node.value.clone()) else { panic!("a list") };
    assert_eq!(items.iter().filter_map(Node::scalar).collect::<Vec<_>>(), ["1e2", "-0"]);
    assert_eq!(root.get("0123").and_then(|map| map.get("\u{e4}")).and_then(Node::scalar).as_deref(), Some("08.0"));
    assert_eq!(root.get("a").expect("there").value, Value::Int(7), "a number where one is meant");
}

#[test]
fn a_misspelt_key_is_not_missing_as_well() {
    let faults = faults_of("endpiont: x\n", |map| {
        map.need_str("endpoint");
        map.need_str("other");
    });
    assert_eq!(faults, ["a.yaml:1: other: is missing", "a.yaml:1: endpiont: unknown key; did you mean \"endpoint\"?"]);
}

#[test]
fn a_text_in_the_place_of_a_map_is_not_quoted() {
    let faults = faults_of("a: secret\nb: secret\n", |map| {
        map.map("a");
        map.list("b");
    });
    assert_eq!(faults, ["a.yaml:1: a: expected a map, found text", "a.yaml:2: b: expected a list, found text"]);
}

#[test]
fn what_is_faulty_already_gets_no_second_fault() {
    let mut root = parse(FILE, "a: x\n").expect("YAML");
    let Value::Map(entries) = &mut root.value else { panic!("a map") };
    entries[0].node.value = Value::Faulty;
    let gather = Gather::new(FILE);
    let map = gather.map(&root, "").expect("a map");
    assert!(map.need("a") && map.str("a").is_none() && map.map("a").is_none() && map.list("a").is_none());
    assert!(map.word("a", &[("b", 1)]).is_none() && map.strs("a").is_empty());
    map.finish();
    assert!(gather.is_clean());
}
