//! Origin of metrics, by Datadog's numbers: the receivers of the Collector.

use super::wire::{Metadata, Origin};

/// The number of the OpenTelemetry exporters.
const PRODUCT: u32 = 19;

const PREFIX: &str = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/";

const RECEIVERS: [(&str, u32); 43] = [
    ("dockerstatsreceiver", 217),
    ("elasticsearchreceiver", 218),
    ("expvarreceiver", 219),
    ("filestatsreceiver", 220),
    ("flinkmetricsreceiver", 221),
    ("gitproviderreceiver", 222),
    ("haproxyreceiver", 223),
    ("hostmetricsreceiver", 224),
    ("httpcheckreceiver", 225),
    ("iisreceiver", 226),
    ("k8sclusterreceiver", 227),
    ("kafkametricsreceiver", 228),
    ("kubeletstatsreceiver", 229),
    ("memcachedreceiver", 230),
    ("mongodbatlasreceiver", 231),
    ("mongodbreceiver", 232),
    ("mysqlreceiver", 233),
    ("nginxreceiver", 234),
    ("nsxtreceiver", 235),
    ("oracledbreceiver", 236),
    ("postgresqlreceiver", 237),
    ("prometheusreceiver", 238),
    ("rabbitmqreceiver", 239),
    ("redisreceiver", 240),
    ("riakreceiver", 241),
    ("saphanareceiver", 242),
    ("snmpreceiver", 243),
    ("snowflakereceiver", 244),
    ("splunkenterprisereceiver", 245),
    ("sqlserverreceiver", 246),
    ("sshcheckreceiver", 247),
    ("statsdreceiver", 248),
    ("vcenterreceiver", 249),
    ("zookeeperreceiver", 250),
    ("activedirectorydsreceiver", 251),
    ("aerospikereceiver", 252),
    ("apachereceiver", 253),
    ("apachesparkreceiver", 254),
    ("azuremonitorreceiver", 255),
    ("bigipreceiver", 256),
    ("chronyreceiver", 257),
    ("couchdbreceiver", 258),
    ("podmanreceiver", 521),
];

/// Returns the origin of the metrics of a scope.
pub(super) fn origin(scope: &str) -> Metadata {
    let receiver = scope.strip_prefix(PREFIX).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let service = RECEIVERS.iter().find(|(name, _)| *name == receiver).map_or(0, |(_, number)| *number);
    Metadata { origin: Some(Origin { product: PRODUCT, category: 0, service }) }
}
