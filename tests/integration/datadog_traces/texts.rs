//! Texts for generated spans and resources.

use super::values::{COMMANDS, DOCUMENTS, STATEMENTS, URLS};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

/// A key and its possible values.
pub(crate) type Choice = (&'static str, &'static [&'static str]);

/// Creates an attribute: `#` marks an integer, `~` a floating-point number; other values are strings.
pub(crate) fn attribute(key: &str, value: &str) -> KeyValue {
    let whole = value.strip_prefix('#').and_then(|number| number.parse().ok()).map(Value::IntValue);
    let number = || value.strip_prefix('~').and_then(|number| number.parse().ok()).map(Value::DoubleValue);
    let value = whole.or_else(number).unwrap_or_else(|| Value::StringValue(value.to_owned()));
    super::generator::pair(key, value)
}

/// Names, with and without need for normalization.
pub(crate) const NAMES: &[&str] = &[
    "shop",
    "checkout",
    "Checkout Service",
    "GET /users/{id}",
    "über-Dienst",
    "🐶 dog 🐶",
    "___",
    "1two",
    "a__b..c_.d",
    "हिन्दी सेवा",
    "ǅungla",
    "İstanbul",
    "Straße ẞ",
    "x@y#z",
    "",
    " lead",
    "Ⅷ-roman",
    "٣٤-digits",
    "ſong",
    "no_trail_",
    "aVeryLongNameThatGoesOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnÄndOnAndOnAndOn",
    "кириллица Сервис",
    "名前.サービス",
    "a\u{301}cute",
    "SELECT FROM",
    "-.-",
    "a:b/c.d-e",
];

/// Values of all sorts.
pub(crate) const VALUES: &[&str] = &[
    "",
    "x",
    "4111 1111 1111 1111",
    "4111111111111112",
    "5105-1051-0510-5100",
    "<a href=\"x\">&</a>",
    "tab\there",
    "true",
    "1",
    "10.1.2.3",
    "Ünï",
    "\u{7f}\u{1}\u{8}\u{c}",
    "\\",
    "'quoted'",
];

pub(crate) const RESOURCE: &[Choice] = &[
    ("service.version", &["1.0", "V2 Beta", ""]),
    ("deployment.environment", &["prod", "Pre Prod", ""]),
    ("deployment.environment.name", &["staging", "QA!"]),
    ("telemetry.sdk.language", &["java", "C++", ""]),
    ("telemetry.sdk.version", &["1.40.0", "2 beta"]),
    ("container.id", &["0123456789abcdef", "Cid Upper"]),
    ("db.namespace", &["of-resource"]),
    ("resource.name", &["from resource"]),
    ("operation.name", &["Op From Resource"]),
    ("span.type", &["custom.type"]),
    ("env", &["Env Tag"]),
    ("version", &["v-resource"]),
    ("datadog.container.tag.team", &["blue", ""]),
    ("datadog.container.tag.image_name", &["own"]),
    ("k8s.pod.uid", &["uid-1"]),
];

pub(crate) const PLACES: &[Choice] = &[
    ("host", &["literal-host", "localhost", ""]),
    ("datadog.host.name", &["own-host", "127.0.0.1"]),
    ("host.name", &["web-1", "web-1.c.my-project.internal.x"]),
    ("host.id", &["i-0abc"]),
    ("cloud.provider", &["aws", "gcp", "azure", "other"]),
    ("cloud.account.id", &["acc-1"]),
    ("cloud.region", &["eu-1"]),
    ("cloud.availability_zone", &["eu-1a"]),
    (
        "cloud.platform",
        &[
            "azure.functions",
            "azure_functions",
            "azure.app_service",
            "azure_app_service",
            "azure.container_apps",
            "azure_container_apps",
            "gcp_cloud_run",
            "gcp_cloud_functions",
            "aws_ec2",
        ],
    ),
    ("azure.resource_group.name", &["group"]),
    ("faas.name", &["fn"]),
    ("faas.instance", &["inst"]),
    ("gcp.cloud_run.job.execution", &["job-1"]),
    ("aws.ecs.launchtype", &["fargate", "ec2"]),
    ("aws.ecs.task.arn", &["arn:task"]),
    ("aws.ecs.cluster.arn", &["arn:cluster"]),
    ("k8s.node.name", &["node-1"]),
    ("k8s.cluster.name", &["cluster-1"]),
    ("k8s.pod.name", &["pod-1"]),
    ("k8s.namespace.name", &["ns"]),
    ("k8s.deployment.name", &["dep"]),
    ("container.name", &["box"]),
    ("container.image.name", &["img"]),
    ("container.image.tag", &["t1"]),
    ("container.runtime", &["containerd"]),
    ("kube_deployment", &["dd-dep"]),
    ("image_tag", &["dd-tag"]),
    ("_dd.hostname", &["dd-host"]),
];

/// Attributes from which Datadog derives span names and types.
pub(crate) const SHAPES: &[(&str, &[Choice])] = &[
    ("plain", &[]),
    (
        "HTTP, today's names",
        &[
            ("http.request.method", &["GET", "POST", "_OTHER"]),
            ("http.route", &["/users/{id}", ""]),
            ("url.template", &["/x/{y}"]),
            ("url.full", URLS),
            ("http.response.status_code", &["#200", "#500", "404", "#-1", "~200"]),
            ("server.address", &["db.example.com", "10.0.0.1"]),
            ("network.protocol.version", &["1.1"]),
            ("user_agent.original", &["curl"]),
            ("http.request.header.x-a", &["y"]),
            ("http.request.header.referrer", &["z"]),
        ],
    ),
    (
        "HTTP, older names",
        &[
            ("http.method", &["PUT", "DELETE"]),
            ("http.url", URLS),
            ("http.status_code", &["#201", "503", "#99", "abc", "12", "700", "2.0e2"]),
            ("http.response.status_code", &["#418"]),
            ("net.peer.name", &["peer.example.com", "192.168.0.1"]),
        ],
    ),
    (
        "SQL",
        &[
            ("db.system", &["postgresql", "mysql", "Oracle", "other_sql", "unknown-db", "cassandra"]),
            ("db.statement", STATEMENTS),
            ("db.query.text", STATEMENTS),
            ("sql.query", STATEMENTS),
            ("db.name", &["orders", ""]),
            ("db.namespace", &["orders-ns"]),
            ("peer.service", &["Orders DB", "!!", ""]),
        ],
    ),
    (
        "SQL, today's names",
        &[
            ("db.system.name", &["microsoft.sql_server", "oracle.db", "aws.redshift", "postgresql", "mariadb"]),
            ("db.query.text", STATEMENTS),
            ("db.namespace", &["shop"]),
        ],
    ),
    (
        "other stores",
        &[
            ("db.system", &["redis", "memcached", "mongodb", "elasticsearch", "opensearch", "dynamodb", "redis"]),
            ("db.statement", COMMANDS),
            ("redis.raw_command", COMMANDS),
            ("valkey.raw_command", COMMANDS),
            ("memcached.command", &["set k 0 1 5\r\nvalue", "get k"]),
            ("mongodb.query", DOCUMENTS),
            ("elasticsearch.body", DOCUMENTS),
            ("opensearch.body", DOCUMENTS),
        ],
    ),
    (
        "messaging",
        &[
            ("messaging.system", &["kafka", "Rabbit MQ"]),
            ("messaging.operation", &["publish", "receive"]),
            ("messaging.destination", &["topic-a"]),
            ("messaging.destination.name", &["topic-b"]),
            ("messaging.kafka.bootstrap.servers", &["10.0.0.1:9092,10.0.0.2:9092,k:1", "127.0.0.1:9092"]),
        ],
    ),
    (
        "RPC",
        &[
            ("rpc.system", &["grpc", "aws-api", "Dot Net"]),
            ("rpc.system.name", &["grpc", "other"]),
            ("rpc.method", &["GetUser"]),
            ("rpc.service", &["UserService", "S3"]),
            (
                "rpc.grpc.status_code",
                &["#0", "#14", "5", "NotFound", "StatusCode.DEADLINE_EXCEEDED", "nonsense", "007"],
            ),
            ("rpc.response.status_code", &["OK", "#7", "Canceled"]),
            ("grpc.code", &["#3", "Data_Loss"]),
        ],
    ),
    (
        "functions",
        &[
            ("faas.invoked_provider", &["aws", "Az Ure"]),
            ("faas.invoked_name", &["my-function"]),
            ("faas.trigger", &["http", "Pub Sub"]),
        ],
    ),
    ("graphs", &[("graphql.operation.type", &["query", "mutation"]), ("graphql.operation.name", &["FindBook"])]),
    ("a protocol", &[("network.protocol.name", &["http", "AM QP"])]),
];

pub(crate) const SPAN: &[Choice] = &[
    ("operation.name", &["My.Operation Name", "op", "!!"]),
    ("resource.name", &["My Resource", "health check", ""]),
    ("span.type", &["web", "sql", "redis", "valkey", "http", "mongodb", "worker"]),
    ("service.name", &["span-service", "Span Service"]),
    ("_dd.measured", &["#1", "#0", "1"]),
    ("_dd.top_level", &["~1", "~0"]),
    ("_dd.svc_src", &["m"]),
    ("analytics.event", &["true", "false", "maybe"]),
    ("_dd1.sr.eausr", &["~0.5", "~1"]),
    ("error.msg", &["mine"]),
    ("error.type", &["T"]),
    ("error.stack", &["S"]),
    ("span.kind", &["client", "CONSUMER"]),
    ("peer.service", &["Payments"]),
    ("db.type", &["postgresql"]),
    ("out.host", &["ip-10-1-2-3.ec2.internal", "1.2.3.4:80", "http://10.0.0.1/x", "fe80::1"]),
    ("team", &["blue"]),
    ("card", &["4111 1111 1111 1111", "371449635398431", "6011111111111117"]),
    ("_dd.span_sampling.mechanism", &["~8"]),
    ("_dd.partial_version", &["~1", "~-1"]),
];

/// Attributes that a payload takes from its spans.
pub(crate) const PAYLOAD: &[Choice] = &[
    ("deployment.environment", &["Span Env"]),
    ("env", &["span-env", ""]),
    ("service.version", &["span 2"]),
    ("version", &["span-v"]),
    ("_dd.hostname", &["span-host"]),
    ("_dd.origin", &["synthetics-browser", "rum"]),
    ("_dd.base_service", &["Base Svc", "base"]),
    ("_dd.git.commit.sha", &["cafe"]),
    ("_dd.apm_mode", &["edge", "EDGE", "other"]),
    ("_dd.p.dm", &["-3"]),
];

pub(crate) const TRACE_STATES: &[&str] = &[
    "ot=th:8",
    "ot=th:c;rv:abcdefabcdefab",
    "ot=p:1;r:1",
    "ot=p:63",
    "ot=p:0",
    "ot=th:123456789abcdef",
    "vendor=x,ot=th:4",
    "a=1, b=2 ,",
    "Bad=1",
    "ot=",
    "ot=th:zz",
    "t1@sys=v,ot=th:f",
    "ot=th:0",
    "x",
    "ot=p:-1",
    "ot=rv:1;th:8",
    "ot=th:8;x:Y_",
];
