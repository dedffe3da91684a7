'use strict';
// A small shop in Express over PostgreSQL and Redis, instrumented as any application would be.
//
// It serves on loopback, asks itself for pages, shuts down, and prints as one line of JSON what its exporter was told was
// received: the counts that the tests hold Spanwise against. Where to send to comes from the usual OTEL_* variables.
//
//     node app.js --postgres postgres://… --redis redis://127.0.0.1:6379/1 --requests 200

const { parseArgs } = require('node:util');
const { SpanKind } = require('@opentelemetry/api');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-proto');
const { registerInstrumentations } = require('@opentelemetry/instrumentation');
const { ExpressInstrumentation } = require('@opentelemetry/instrumentation-express');
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http');
const { IORedisInstrumentation } = require('@opentelemetry/instrumentation-ioredis');
const { PgInstrumentation } = require('@opentelemetry/instrumentation-pg');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { BatchSpanProcessor } = require('@opentelemetry/sdk-trace');
const { NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');

const { values: options } = parseArgs({
  options: {
    postgres: { type: 'string' },
    redis: { type: 'string' },
    requests: { type: 'string', default: '200' },
  },
});

const sent = { spans: 0, spans_failed: 0, spans_by_kind: {}, server_durations_ms: {}, statements: {} };

// Counts what the receiver has acknowledged.
class CountingExporter extends OTLPTraceExporter {
  export(spans, done) {
    super.export(spans, (result) => {
      if (result.code === 0) spans.forEach(count);
      else sent.spans_failed += spans.length;
      done(result);
    });
  }
}

function count(span) {
  sent.spans += 1;
  const kind = SpanKind[span.kind];
  sent.spans_by_kind[kind] = (sent.spans_by_kind[kind] ?? 0) + 1;
  const attributes = span.attributes;
  if (span.kind === SpanKind.SERVER) {
    const method = attributes['http.request.method'] ?? attributes['http.method'];
    const operation = `${method} ${attributes['http.route']}`;
    const durations = (sent.server_durations_ms[operation] ??= []);
    durations.push(span.duration[0] * 1e3 + span.duration[1] / 1e6);
  }
  const system = attributes['db.system.name'] ?? attributes['db.system'];
  if (system) sent.statements[system] = (sent.statements[system] ?? 0) + 1;
}

const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': 'node-shop', 'service.instance.id': 'node-shop-1' }),
  spanProcessors: [new BatchSpanProcessor({ exporter: new CountingExporter(), scheduledDelayMillis: 500 })],
});
provider.register();
registerInstrumentations({
  instrumentations: [
    // The application asks itself for pages; only the answering side is of interest.
    new HttpInstrumentation({ disableOutgoingRequestInstrumentation: true }),
    new ExpressInstrumentation(),
    new PgInstrumentation(),
    new IORedisInstrumentation(),
  ],
});

// Loaded after the instrumentations, so that they can wrap them.
const http = require('node:http');
const express = require('express');
const Redis = require('ioredis');
const { Pool } = require('pg');

async function fill(pool) {
  await pool.query('CREATE TABLE IF NOT EXISTS articles (id int PRIMARY KEY, name text NOT NULL)');
  await pool.query("INSERT INTO articles SELECT n, 'article ' || n FROM generate_series(1, 200) n ON CONFLICT DO NOTHING");
}

function shop(pool, cache) {
  const app = express();
  app.get('/articles/:id', async (request, response) => {
    let name = await cache.get(`article:${request.params.id}`);
    if (name === null) {
      const found = await pool.query('SELECT name FROM articles WHERE id = $1', [request.params.id]);
      name = found.rows[0].name;
      await cache.set(`article:${request.params.id}`, name);
    }
    response.json({ name });
  });
  app.get('/related/:id', async (request, response) => {
    const first = Number(request.params.id);
    for (let id = first; id < first + 3; id += 1) {
      await pool.query(`SELECT name FROM articles WHERE id = ${id}`);
    }
    response.json({ first });
  });
  app.get('/broken', (request, response) => response.status(503).json({ error: 'broken on purpose' }));
  return app;
}

function get(port, path) {
  return new Promise((resolve, reject) => {
    http
      .get({ host: '127.0.0.1', port, path }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode));
      })
      .on('error', reject);
  });
}

async function ask(port, requests) {
  const asked = {};
  for (let number = 0; number < requests; number += 1) {
    const [path, operation, status] = [
      [`/articles/${(number % 20) + 1}`, 'GET /articles/:id', 200],
      [`/related/${(number % 50) + 1}`, 'GET /related/:id', 200],
      ['/broken', 'GET /broken', 503],
    ][number % 3];
    const answered = await get(port, path);
    if (answered !== status) throw new Error(`${path} answered ${answered}, expected ${status}`);
    asked[operation] = (asked[operation] ?? 0) + 1;
  }
  return asked;
}

async function main() {
  const pool = new Pool({ connectionString: options.postgres, max: 4 });
  const cache = new Redis(options.redis);
  await fill(pool);
  const server = shop(pool, cache).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const asked = await ask(server.address().port, Number(options.requests));
  await new Promise((resolve) => server.close(resolve));
  await pool.end();
  await cache.quit();
  await provider.shutdown();
  console.log(JSON.stringify({ asked, ...sent }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
