"""A small shop in Flask over PostgreSQL in which something of each kind fails, instrumented as any application would be.

It asks itself for pages, runs a job and processes messages, all of which fail in part, shuts down, and prints as one line of
JSON what it did. Where to send to comes from the usual OTEL_* variables.

    failing.py --postgres 'host=127.0.0.1 port=5432 …' --times 25
"""

import argparse
import json
import logging
import socket
import threading
import urllib.error
import urllib.request

import flask
import psycopg
from opentelemetry import trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from werkzeug.serving import make_server

SERVICE = "failing-shop"
LINES = 6


def instrument():
    resource = Resource.create({"service.name": SERVICE})
    traces = TracerProvider(resource=resource)
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=300))
    trace.set_tracer_provider(traces)
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(), schedule_delay_millis=300))
    set_logger_provider(logs)
    log = logging.getLogger("shop")
    log.setLevel(logging.INFO)
    log.addHandler(LoggingHandler(logger_provider=logs))
    PsycopgInstrumentor().instrument()
    return traces, logs, log


def pay(tracer, port):
    """A call to another service, as an instrumented HTTP client makes it; nobody listens there."""
    attributes = {"http.request.method": "POST", "server.address": "payments", "server.port": port}
    with tracer.start_as_current_span("POST", kind=SpanKind.CLIENT, attributes=attributes) as span:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/pay", data=b"{}", timeout=5).read()
        except urllib.error.URLError as error:
            span.set_attribute("error.type", type(error).__qualname__)
            raise


def shop(database, tracer, log, closed_port):
    app = flask.Flask("shop")
    FlaskInstrumentor().instrument_app(app)

    @app.get("/statement")
    def statement():
        with database.cursor() as cursor:
            cursor.execute("SELECT total FROM invoices_of_nobody WHERE customer = %s", ("anna@example.com",))
        return {}

    @app.get("/pay/<int:order>")
    def pay_order(order):
        try:
            pay(tracer, closed_port)
        except urllib.error.URLError:
            return {"paid": False}
        return {"paid": True}

    @app.get("/broken/<int:order>")
    def broken(order):
        raise RuntimeError(f"order {order} of 'anna' is broken")

    @app.get("/logged/<int:order>")
    def logged(order):
        # The span is told nothing but its status.
        try:
            raise LookupError(f"no stock for order {order}")
        except LookupError:
            log.exception("it went wrong")
        return {}, 503

    @app.get("/list/<int:order>")
    def show_list(order):
        # Each line is loaded under spans of its own, as resolvers of GraphQL or an ORM do it.
        for number in range(LINES):
            with tracer.start_as_current_span(f"resolve line {number}"):
                with tracer.start_as_current_span("load"):
                    with database.cursor() as cursor:
                        cursor.execute(f"SELECT pg_sleep(0.012), {order + number}")
                        cursor.fetchone()
        return {}

    return app


def jobs(tracer, times):
    """A job that ends with an exception, one that works, and messages of which every second cannot be processed."""
    try:
        with tracer.start_as_current_span("nightly-invoices"):
            raise ValueError("no rate for currency 'XTS'")
    except ValueError:
        pass
    with tracer.start_as_current_span("nightly-cleanup"):
        pass
    for number in range(times):
        attributes = {"messaging.system": "kafka", "messaging.destination.name": "orders"}
        with tracer.start_as_current_span("process orders", kind=SpanKind.CONSUMER, attributes=attributes) as span:
            if number % 2 == 0:
                span.record_exception(KeyError("customer"))
                span.set_status(Status(StatusCode.ERROR))


def ask(port, path):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30).read()
        return 200
    except urllib.error.HTTPError as answer:
        return answer.code


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--postgres", required=True)
    arguments.add_argument("--times", type=int, default=25)
    options = arguments.parse_args()

    traces, logs, log = instrument()
    tracer = trace.get_tracer("shop")
    # A port that was free a moment ago and that nobody listens on.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed_port = probe.getsockname()[1]
    database = psycopg.connect(options.postgres, autocommit=True)
    server = make_server("127.0.0.1", 0, shop(database, tracer, log, closed_port))
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    answers = {}
    for number in range(options.times):
        for path in ("/statement", f"/pay/{number}", f"/broken/{number}", f"/logged/{number}"):
            route = path.split("/")[1]
            answers.setdefault(route, []).append(ask(server.server_port, path))
    for number in range(3):
        ask(server.server_port, f"/list/{number}")
    jobs(tracer, options.times)
    server.shutdown()
    serving.join()
    database.close()
    traces.shutdown()
    logs.shutdown()
    print(json.dumps({"answers": answers, "times": options.times, "lines": LINES}))


if __name__ == "__main__":
    main()
