// node-postgres: parameters, prepared statements, a pool, cursors and streams of rows.
'use strict';
const { Client, Pool } = require('pg');
const Cursor = require('pg-cursor');
const QueryStream = require('pg-query-stream');
const assert = require('node:assert/strict');

const where = { host: '127.0.0.1', port: Number(process.argv[2]), user: 'spanwise', database: 'spanwise' };
let tried = 0;
let failed = 0;

async function check(name, run) {
  tried += 1;
  const client = new Client(where);
  try {
    await client.connect();
    await run(client);
  } catch (error) {
    failed += 1;
    console.log(`FAILED node pg: ${name}: ${String(error.message ?? error).replaceAll(/\s+/g, ' ').slice(0, 600)}`);
  } finally {
    await client.end().catch(() => {});
  }
}

const one = async (client, ...query) => Object.values((await client.query(...query)).rows[0])[0];

async function main() {
  await check('parameters', async (it) => {
    const sql = 'SELECT count(*) FROM spans WHERE http_route = $1 AND duration_ms < $2';
    assert.equal(await one(it, sql, ['/products/{id}', 50]), '30');
  });
  await check('parameters of other types', async (it) => {
    const sql = 'SELECT count(*) FROM spans WHERE error = $1 AND start_time > $2 AND http_response_status_code = $3';
    assert.equal(await one(it, sql, [false, new Date(0), 200]), '31');
  });
  await check('arrays', async (it) => {
    assert.equal(await one(it, 'SELECT count(*) FROM spans WHERE http_route = ANY($1)', [['/orders', '/nothing']]), '1');
    assert.deepEqual(await one(it, 'SELECT ARRAY[1, 2, 3]::int[]'), [1, 2, 3]);
  });
  await check('LIMIT', async (it) => {
    assert.equal((await it.query('SELECT name FROM spans LIMIT $1 OFFSET $2', [5, 1])).rowCount, 5);
  });
  await check('NULL', async (it) => {
    assert.equal(await one(it, 'SELECT coalesce($1::text, $2)', [null, 'x']), 'x');
  });
  await check('a prepared statement', async (it) => {
    for (const route of ['/orders', '/nothing', '/orders']) {
      const query = { name: 'routes', text: 'SELECT count(*) FROM spans WHERE http_route = $1', values: [route] };
      assert.equal(await one(it, query), route === '/orders' ? '1' : '0');
    }
  });
  await check('types', async (it) => {
    const { rows, fields } = await it.query("SELECT name, duration_ms, error, start_time, attributes FROM spans WHERE http_route = '/orders'");
    assert.deepEqual(fields.map((field) => field.dataTypeID), [25, 701, 16, 1184, 114]);
    assert.ok(rows[0].start_time instanceof Date && rows[0].duration_ms === 80 && rows[0].error === false);
    assert.equal(typeof rows[0].attributes, 'object');
  });
  await check('in binary', async (it) => {
    const { rows } = await it.query({ text: 'SELECT duration_ms, http_response_status_code FROM spans WHERE http_route = $1', values: ['/orders'], binary: true });
    assert.equal(rows[0].duration_ms, 80);
  });
  await check('rows as arrays', async (it) => {
    const { rows } = await it.query({ text: 'SELECT 1, 1, 2', rowMode: 'array' });
    assert.deepEqual(rows, [[1, 1, 2]]);
  });
  await check('statements at once', async (it) => {
    const answers = await it.query('SELECT 1 AS a; SELECT 2 AS b');
    assert.deepEqual(answers.map((answer) => answer.rows[0]), [{ a: 1 }, { b: 2 }]);
  });
  await check('a cursor', async (it) => {
    const cursor = it.query(new Cursor('SELECT name FROM spans WHERE duration_ms < $1', [50]));
    assert.equal((await cursor.read(7)).length, 7);
    assert.equal((await cursor.read(100)).length, 23);
    assert.equal((await cursor.read(10)).length, 0);
    await cursor.close();
    assert.equal(await one(it, 'SELECT 1'), 1);
  });
  await check('a cursor that is closed early', async (it) => {
    const cursor = it.query(new Cursor('SELECT * FROM generate_series(1, 100000) AS t(n)'));
    assert.equal((await cursor.read(10)).length, 10);
    await cursor.close();
    assert.equal(await one(it, 'SELECT 1'), 1);
  });
  await check('a cursor over many rows', async (it) => {
    const cursor = it.query(new Cursor('SELECT * FROM generate_series(1, 300000) AS t(n)'));
    let count = 0;
    for (let rows = await cursor.read(10000); rows.length > 0; rows = await cursor.read(10000)) count += rows.length;
    assert.equal(count, 300000);
    await cursor.close();
  });
  await check('a stream', async (it) => {
    const stream = it.query(new QueryStream('SELECT name FROM spans WHERE duration_ms < $1', [50], { batchSize: 8 }));
    let count = 0;
    for await (const row of stream) count += row.name ? 1 : 0;
    assert.equal(count, 30);
  });
  await check('a transaction', async (it) => {
    await it.query('BEGIN');
    await assert.rejects(it.query('SELECT nothing_like_it FROM spans'), { code: '42703' });
    await assert.rejects(it.query('SELECT 1'), { code: '25P02' });
    await it.query('ROLLBACK');
    assert.equal(await one(it, 'SELECT 1'), 1);
  });
  await check('an error', async (it) => {
    await assert.rejects(it.query('SELECT * FROM nothing_like_it'), { code: '42P01' });
    await assert.rejects(it.query('SELECT $1::int', ['x']), { code: '22P02' });
    assert.equal(await one(it, 'SELECT 1'), 1);
  });
  await check('catalogs', async (it) => {
    const sql = 'SELECT table_name FROM information_schema.tables WHERE table_schema = $1 AND table_type = $2 ORDER BY 1';
    const { rows } = await it.query(sql, ['public', 'BASE TABLE']);
    assert.ok(rows.some((row) => row.table_name === 'spans'));
    const { rows: kinds } = await it.query('SELECT oid, typname FROM pg_type WHERE typname = ANY($1)', [['int4', 'text']]);
    assert.deepEqual(kinds.map((kind) => kind.oid).sort(), [23, 25]);
  });
  await check('a pool', async () => {
    const pool = new Pool({ ...where, max: 4 });
    const all = await Promise.all(Array.from({ length: 20 }, (_, n) => pool.query('SELECT count(*) + $1::int AS n FROM spans', [n])));
    assert.deepEqual(all.map((answer) => Number(answer.rows[0].n)), Array.from({ length: 20 }, (_, n) => 31 + n));
    await pool.end();
  });
  console.log(`RESULT node pg ${tried} ${failed}`);
}

main();
