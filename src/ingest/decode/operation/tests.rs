use super::*;
use opentelemetry_proto::tonic::common::v1::AnyValue;

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Returns the operation of a span with these attributes.
fn of(name: &str, attributes: &[(&str, &str)]) -> String {
    let list: Vec<KeyValue> = attributes
        .iter()
        .map(|(key, value)| {
            let value = match *value {
                "true" => Value::BoolValue(true),
                text => Value::StringValue(text.into()),
            };
            attribute(key, value)
        })
        .collect();
    let first = |keys: &[&str]| keys.iter().find_map(|key| text(&list, key)).map(Cow::Borrowed);
    let asked = Asked {
        name,
        method: first(&["http.request.method", "http.method"]),
        route: first(&["http.route"]),
        rpc_service: first(&["rpc.service"]),
        rpc_method: first(&["rpc.method"]),
        destination: first(&["messaging.destination.name", "messaging.destination"]),
        attributes: &list,
    };
    operation(&asked).into_owned()
}

#[track_caller]
fn check(name: &str, attributes: &[(&str, &str)], expected: &str) {
    assert_eq!(of(name, attributes), expected, "{name} {attributes:?}");
}

#[test]
fn a_route_loses_its_method_and_its_host() {
    // The results of otelhttp's own `httpRoute` for `http.Request.Pattern`.
    for (route, expected) in [
        ("/parts/{id}", "GET /parts/{id}"),
        ("GET /parts/{id}", "GET /parts/{id}"),
        ("GET\t /parts/{id}", "GET /parts/{id}"),
        ("GET example.com/parts/{id}", "GET /parts/{id}"),
        ("GET localhost:8080/parts/{rest...}", "GET /parts/{rest...}"),
        ("example.com/parts/{$}", "GET /parts/{$}"),
        ("example.com:8443/", "GET /"),
        ("get /parts", "GET /parts"),
        // Routes of ASP.NET do not start with a slash.
        ("api/parts/{id}", "GET api/parts/{id}"),
        ("v1.0/parts/{id}", "GET v1.0/parts/{id}"),
        ("Home/Index page", "GET Home/Index page"),
        ("/{$}", "GET /{$}"),
        ("*", "GET *"),
    ] {
        check("n", &[("http.request.method", "GET"), ("http.route", route)], expected);
    }
    check("n", &[("http.route", "PROPFIND /dav/{path...}")], "PROPFIND /dav/{path...}");
    check("n", &[("http.request.method", "HEAD"), ("http.route", "GET /parts/{id}")], "HEAD /parts/{id}");
    check("n", &[("http.method", "get"), ("http.route", "/a")], "GET /a");
    check("n", &[("http.request.method", "_OTHER"), ("http.route", "/a")], "_OTHER /a");
}

#[test]
fn a_name_that_holds_the_path_is_the_method_alone() {
    let cases: &[(&str, &str, &str)] = &[
        ("GET /p/3464386d?tab=1", "url.path", "/p/3464386d"),
        ("GET /p/3464386d", "http.target", "/p/3464386d?tab=1"),
        ("GET /p/3464386d?tab=1", "http.url", "http://shop.example:8080/p/3464386d?tab=1#top"),
        ("GET /p/3464386d/", "url.full", "https://shop.example/p/3464386d"),
        ("HTTP GET /p/3464386d", "url.path", "/p/3464386d/"),
        ("get /p/3464386d", "url.path", "/p/3464386d"),
        ("HEAD /p/3464386d", "url.path", "/p/3464386d"),
        ("/p/some-slug", "url.path", "/p/some-slug"),
        ("GET https://shop.example/p/some-slug?x=1", "url.path", "/p/some-slug"),
        ("https://shop.example/p/some-slug", "url.full", "https://shop.example/p/some-slug"),
        ("GET shop.example/p/some-slug", "url.path", "/p/some-slug"),
        ("GET p/some-slug", "url.path", "/p/some-slug"),
        ("Received GET /p/some-slug from outside", "url.path", "/p/some-slug"),
        ("GET /caf%C3%A9/menu", "url.path", "/café/menu"),
        ("GET /café/menu", "http.target", "/caf%c3%a9/menu"),
        ("GET:/p/some-slug", "url.path", "/p/some-slug"),
        ("request(/p/some-slug)", "url.path", "/p/some-slug"),
        ("\"GET /p/some-slug HTTP/1.1\"", "url.path", "/p/some-slug"),
        // A nested router, a proxy's prefix, and a truncated name.
        ("GET /users/anna", "url.path", "/api/users/anna"),
        ("GET /shop/users/anna", "url.path", "/users/anna"),
        ("GET /a-long-path/with-many-pa", "url.path", "/a-long-path/with-many-parts/anna"),
        ("GET /a-long...", "url.path", "/a-long-path/with-many-parts/anna"),
        ("GET /login", "url.path", "/login"),
    ];
    for (name, key, value) in cases {
        check(name, &[("http.request.method", "GET"), (key, value)], "GET");
    }
    check(
        "PROPFIND /dav/x",
        &[("http.request.method", "_OTHER"), ("http.request.method_original", "PROPFIND"), ("url.path", "/dav/x")],
        "_OTHER",
    );
    check("POST /p/some-slug", &[("url.path", "/p/some-slug")], "POST");
    check("/p/some-slug", &[("url.path", "/p/some-slug")], "HTTP");
}

#[test]
fn a_name_that_says_what_was_asked_for_stays() {
    for (name, path) in [
        ("GET", "/p/1"),
        ("GET /", "/"),
        ("GET /users/:id", "/users/7"),
        ("GET /users/{id}", "/users/7"),
        ("/users/<int:id>", "/users/7"),
        ("GET /static/*", "/static/a.css"),
        ("GET /users", "/users/anna"),
        ("checkout", "/checkout"),
        ("OrdersController.show", "/orders/7"),
        ("helloworld.Greeter/SayHello", "/helloworld.Greeter/SayHello"),
    ] {
        check(name, &[("http.request.method", "GET"), ("url.path", path)], name);
    }
    check("GET /?tab=1", &[("http.request.method", "GET"), ("url.path", "/")], "GET /");
    check("query findBook", &[], "query findBook");
    check("worker a/b", &[], "worker a/b");
}

#[test]
fn ids_are_known_without_the_path_too() {
    check("GET /p/3464386d?tab=1", &[("http.method", "GET")], "GET");
    check("GET https://shop.example/anna", &[("http.method", "GET")], "GET");
    check("GET /p/3464386d?tab=1", &[], "GET /p/{id}");
    check("/orders/7/lines/8", &[], "/orders/{id}/lines/{id}");
    check("GET /search?q=anna", &[], "GET /search");
    check("GET /v1/users", &[("http.method", "GET")], "GET /v1/users");
}

#[test]
fn rpc_s_whole_name_is_said_once() {
    check("n", &[("rpc.service", "a.B"), ("rpc.method", "C")], "a.B/C");
    check("n", &[("rpc.service", "a.B"), ("rpc.method", "a.B/C")], "a.B/C");
    check("n", &[("rpc.method", "/a.B/C")], "a.B/C");
    check("n", &[("rpc.service", "a.B")], "n");
}

#[test]
fn a_destination_is_one_that_others_use_too() {
    let rabbit = ("messaging.system", "rabbitmq");
    let named = |name| ("messaging.destination.name", name);
    check("orders process", &[rabbit, named("orders")], "orders");
    let template = ("messaging.destination.template", "/customers/{customerId}");
    check("process /customers/7", &[rabbit, template, named("/customers/7")], "/customers/{customerId}");
    check("process /customers/7", &[rabbit, template], "/customers/{customerId}");
    check("n", &[rabbit, template, ("messaging.destination.temporary", "true"), named("t")], "/customers/{customerId}");
    check("process x-77", &[rabbit, named("x-77"), ("messaging.destination.anonymous", "true")], "(anonymous)");
    check("process x-77", &[rabbit, ("messaging.destination.anonymous", "true")], "(anonymous)");
    check("process x-77", &[("messaging.destination.anonymous", "true")], "(anonymous)");
    check("process /customers/7", &[template], "/customers/{customerId}");
    check("process x-77", &[named("x-77"), ("messaging.destination.temporary", "true")], "(temporary)");
    check("process x-77", &[("messaging.destination", "x-77"), ("messaging.temp_destination", "true")], "(temporary)");
    check("n", &[rabbit, named("amq.gen-JzTY20BRgKO-HjmUJj0wLg")], "(anonymous)");
    check("n", &[rabbit, named("amq.rabbitmq.reply-to.g1h2AA5yZXBs")], "amq.rabbitmq.reply-to");
    check("n", &[rabbit, named("reply-7f3c2a10-0b7e-4c59-9a53-2f1f6d1f9a01.v2")], "reply-{id}.v2");
    check("n", &[rabbit, named("orders-2024.eu")], "orders-2024.eu");
    check("process 7f3c2a100b7e4c599a532f1f6d1f9a01", &[rabbit], "process {id}");
}
