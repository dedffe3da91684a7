"""A small shop in Flask over PostgreSQL and Redis, instrumented as any application would be.

It serves on loopback, asks itself for pages, shuts down, and prints as one line of JSON what its exporters were told was
received: the counts that the tests hold Spanwise against. Where to send to comes from the usual OTEL_* variables.

    app.py --postgres 'host=127.0.0.1 port=5432 …' --redis redis://127.0.0.1:6379/0 --requests 200
"""

import argparse
import collections
import json
import logging
import os
import threading
import urllib.error
import urllib.request

import flask
import psycopg
import redis
from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from werkzeug.serving import make_server

if os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc") == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
else:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter


class Sent:
    """What receivers have acknowledged. Exporters run on threads of their own."""

    def __init__(self):
        self.lock = threading.Lock()
        self.spans = 0
        self.spans_failed = 0
        self.spans_by_kind = collections.Counter()
        self.server_durations_ms = collections.defaultdict(list)
        self.statements = collections.Counter()
        self.logs = 0
        self.metric_points = 0
        self.server_errors = 0


class CountingSpans(OTLPSpanExporter):
    def __init__(self, sent):
        super().__init__()
        self.sent = sent

    def export(self, spans):
        result = super().export(spans)
        with self.sent.lock:
            if result is not SpanExportResult.SUCCESS:
                self.sent.spans_failed += len(spans)
                return result
            self.sent.spans += len(spans)
            for span in spans:
                self.sent.spans_by_kind[span.kind.name] += 1
                if span.kind is trace.SpanKind.SERVER:
                    attributes = span.attributes
                    method = attributes.get("http.request.method") or attributes.get("http.method")
                    operation = f"{method} {attributes['http.route']}"
                    self.sent.server_durations_ms[operation].append((span.end_time - span.start_time) / 1e6)
                    status = attributes.get("http.response.status_code") or attributes.get("http.status_code")
                    self.sent.server_errors += status >= 500
                system = span.attributes.get("db.system.name") or span.attributes.get("db.system")
                if system:
                    self.sent.statements[system] += 1
        return result


class CountingLogs(OTLPLogExporter):
    def __init__(self, sent):
        super().__init__()
        self.sent = sent

    def export(self, batch):
        result = super().export(batch)
        if result.name == "SUCCESS":
            with self.sent.lock:
                self.sent.logs += len(batch)
        return result


class CountingMetrics(OTLPMetricExporter):
    def __init__(self, sent):
        super().__init__()
        self.sent = sent

    def export(self, metrics_data, *args, **kwargs):
        points = sum(
            len(metric.data.data_points)
            for resource in metrics_data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        )
        result = super().export(metrics_data, *args, **kwargs)
        if result is MetricExportResult.SUCCESS:
            with self.sent.lock:
                self.sent.metric_points += points
        return result


def instrument(sent):
    resource = Resource.create({"service.name": "python-shop", "service.instance.id": "python-shop-1"})
    traces = TracerProvider(resource=resource)
    traces.add_span_processor(BatchSpanProcessor(CountingSpans(sent), schedule_delay_millis=500))
    trace.set_tracer_provider(traces)
    meters = MeterProvider(
        resource=resource,
        metric_readers=[PeriodicExportingMetricReader(CountingMetrics(sent), export_interval_millis=2000)],
    )
    metrics.set_meter_provider(meters)
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(CountingLogs(sent), schedule_delay_millis=500))
    set_logger_provider(logs)
    shop_log = logging.getLogger("shop")
    shop_log.setLevel(logging.INFO)
    shop_log.addHandler(LoggingHandler(logger_provider=logs))
    PsycopgInstrumentor().instrument()
    RedisInstrumentor().instrument()
    return traces, meters, logs, shop_log


def shop(database, cache, log):
    app = flask.Flask("shop")
    FlaskInstrumentor().instrument_app(app)
    views = metrics.get_meter("shop").create_counter("shop.views", unit="{view}", description="Pages shown.")

    @app.get("/products/<int:product>")
    def show_product(product):
        views.add(1, {"page": "product"})
        kept = cache.get(f"product:{product}")
        if kept is None:
            with database.cursor() as cursor:
                cursor.execute("SELECT name FROM products WHERE id = %s", (product,))
                kept = cursor.fetchone()[0]
            cache.set(f"product:{product}", kept)
        return {"name": kept.decode() if isinstance(kept, bytes) else kept}

    @app.get("/orders/<int:order>")
    def show_order(order):
        with database.cursor() as cursor:
            cursor.execute(f"SELECT id FROM products WHERE id IN ({order}, {order + 1}, {order + 2}) ORDER BY id")
            lines = cursor.fetchall()
            for (product,) in lines:
                cursor.execute(f"SELECT name FROM products WHERE id = {product}")
                cursor.fetchone()
        log.info("order shown", extra={"order": order})
        return {"lines": len(lines)}

    @app.get("/search")
    def search():
        with database.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.12), count(*) FROM products WHERE name LIKE '%7%'")
            return {"found": cursor.fetchone()[1]}

    @app.get("/broken")
    def broken():
        log.error("the shop is broken")
        raise RuntimeError("broken on purpose")

    return app


def fill(address):
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS products (id int PRIMARY KEY, name text NOT NULL)")
        connection.execute(
            "INSERT INTO products SELECT n, 'product ' || n FROM generate_series(1, 200) n ON CONFLICT DO NOTHING"
        )


def ask(port, requests):
    """Asks for pages in a fixed order; answers with what was asked, by operation."""
    asked = collections.Counter()
    for number in range(requests):
        path, operation = [
            (f"/products/{number % 20 + 1}", "GET /products/<int:product>"),
            (f"/orders/{number % 50 + 1}", "GET /orders/<int:order>"),
            (f"/products/{number % 30 + 1}", "GET /products/<int:product>"),
            ("/search", "GET /search"),
            ("/broken", "GET /broken"),
        ][number % 5]
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30).read()
        except urllib.error.HTTPError as answer:
            if answer.code != 500 or path != "/broken":
                raise
        asked[operation] += 1
    return asked


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--postgres", required=True)
    arguments.add_argument("--redis", required=True)
    arguments.add_argument("--requests", type=int, default=200)
    options = arguments.parse_args()

    fill(options.postgres)
    sent = Sent()
    traces, meters, logs, log = instrument(sent)
    database = psycopg.connect(options.postgres, autocommit=True)
    cache = redis.Redis.from_url(options.redis)
    server = make_server("127.0.0.1", 0, shop(database, cache, log))
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    asked = ask(server.server_port, options.requests)
    server.shutdown()
    serving.join()
    database.close()
    traces.shutdown()
    logs.shutdown()
    meters.shutdown()
    print(
        json.dumps(
            {
                "asked": asked,
                "spans": sent.spans,
                "spans_failed": sent.spans_failed,
                "spans_by_kind": sent.spans_by_kind,
                "server_durations_ms": sent.server_durations_ms,
                "server_errors": sent.server_errors,
                "statements": sent.statements,
                "logs": sent.logs,
                "metric_points": sent.metric_points,
            }
        )
    )


if __name__ == "__main__":
    main()
