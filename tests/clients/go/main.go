// pgx: every mode in which it runs statements, its types, batches, COPY and its pool.
package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
)

var (
	url           string
	tried, failed int
	modes         = map[string]pgx.QueryExecMode{
		"cache_statement": pgx.QueryExecModeCacheStatement,
		"cache_describe":  pgx.QueryExecModeCacheDescribe,
		"describe_exec":   pgx.QueryExecModeDescribeExec,
		"exec":            pgx.QueryExecModeExec,
		"simple_protocol": pgx.QueryExecModeSimpleProtocol,
	}
)

type connection struct {
	*pgx.Conn
	ctx context.Context
}

func check(name string, run func(it connection) error) {
	tried++
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err == nil {
		err = run(connection{conn, ctx})
		conn.Close(ctx)
	}
	if err != nil {
		failed++
		fmt.Printf("FAILED pgx: %s: %.600s\n", name, strings.Join(strings.Fields(err.Error()), " "))
	}
}

func equal(found, expected any) error {
	if fmt.Sprint(found) != fmt.Sprint(expected) {
		return fmt.Errorf("expected %v, found %v", expected, found)
	}
	return nil
}

func count(rows pgx.Rows, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n := 0
	for rows.Next() {
		if _, err := rows.Values(); err != nil {
			return n, err
		}
		n++
	}
	return n, rows.Err()
}

func inMode(name string, mode pgx.QueryExecMode) {
	check("parameters, "+name, func(it connection) error {
		var n int64
		for range 3 {
			row := it.QueryRow(it.ctx, "SELECT count(*) FROM spans WHERE http_route = $1 AND duration_ms < $2", mode, "/products/{id}", 50.0)
			if err := row.Scan(&n); err != nil {
				return err
			}
		}
		return equal(n, 30)
	})
	check("LIMIT and OFFSET, "+name, func(it connection) error {
		n, err := count(it.Query(it.ctx, "SELECT name FROM spans LIMIT $1 OFFSET $2", mode, 5, 2))
		if err != nil {
			return err
		}
		return equal(n, 5)
	})
	check("types, "+name, func(it connection) error {
		var (
			text     string
			duration float64
			failed   bool
			start    time.Time
			status   int64
		)
		row := it.QueryRow(it.ctx, "SELECT name, duration_ms, error, start_time, http_response_status_code FROM spans WHERE http_route = $1 AND start_time > $2 AND error = $3",
			mode, "/orders", time.Unix(0, 0).UTC(), false)
		if err := row.Scan(&text, &duration, &failed, &start, &status); err != nil {
			return err
		}
		return equal(fmt.Sprint(text, duration, failed, status, start.Year() > 2000), fmt.Sprint("POST /orders", 80.0, false, 200, true))
	})
	check("arrays, "+name, func(it connection) error {
		var n int64
		if err := it.QueryRow(it.ctx, "SELECT count(*) FROM spans WHERE http_route = ANY($1)", mode, []string{"/orders", "/nothing"}).Scan(&n); err != nil {
			return err
		}
		var names []string
		if err := it.QueryRow(it.ctx, "SELECT array_agg(typname::text ORDER BY typname) FROM pg_type WHERE oid = ANY($1::oid[])", mode, []uint32{16, 25}).Scan(&names); err != nil {
			return err
		}
		return equal(fmt.Sprint(n, names), "1 [bool text]")
	})
	check("NULL and texts, "+name, func(it connection) error {
		var text *string
		if err := it.QueryRow(it.ctx, "SELECT $1::text || 'b'", mode, nil).Scan(&text); err != nil {
			return err
		}
		var quoted string
		if err := it.QueryRow(it.ctx, "SELECT $1::text", mode, `it's "quoted" \`).Scan(&quoted); err != nil {
			return err
		}
		return equal(fmt.Sprintf("%v %s", text == nil, quoted), `true it's "quoted" \`)
	})
	check("catalogs, "+name, func(it connection) error {
		n, err := count(it.Query(it.ctx, "SELECT c.oid, c.relname, c.relkind, a.attnum FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relname = $1 AND a.attnum > $2", mode, "spans", 0))
		if err == nil && n < 5 {
			err = fmt.Errorf("expected the columns, found %d", n)
		}
		return err
	})
	check("whole rows, "+name, func(it connection) error {
		n, err := count(it.Query(it.ctx, "SELECT * FROM spans", mode))
		if err != nil {
			return err
		}
		return equal(n, 31)
	})
	check("an error and after, "+name, func(it connection) error {
		_, err := count(it.Query(it.ctx, "SELECT nothing_like_it FROM spans WHERE http_route = $1", mode, "x"))
		var fault *pgconn.PgError
		if !errors.As(err, &fault) || fault.Code != "42703" {
			return fmt.Errorf("expected 42703, found %v", err)
		}
		var one int
		if err := it.QueryRow(it.ctx, "SELECT 1", mode).Scan(&one); err != nil {
			return err
		}
		return equal(one, 1)
	})
}

func main() {
	url = "postgres://spanwise@127.0.0.1:" + os.Args[1] + "/spanwise?sslmode=disable"
	for name, mode := range modes {
		inMode(name, mode)
	}
	check("a prepared statement", func(it connection) error {
		statement, err := it.Prepare(it.ctx, "routes", "SELECT name FROM spans WHERE http_route = $1 LIMIT $2")
		if err != nil {
			return err
		}
		// text and int8.
		return equal(statement.ParamOIDs, []uint32{25, 20})
	})
	check("a batch", func(it connection) error {
		batch := &pgx.Batch{}
		for n := range 10 {
			batch.Queue("SELECT count(*) + $1::int FROM spans", n)
		}
		answers := it.SendBatch(it.ctx, batch)
		for n := range 10 {
			var found int
			if err := answers.QueryRow().Scan(&found); err != nil {
				return err
			}
			if err := equal(found, 31+n); err != nil {
				return err
			}
		}
		return answers.Close()
	})
	check("COPY", func(it connection) error {
		var out bytes.Buffer
		if _, err := it.PgConn().CopyTo(it.ctx, &out, "COPY (SELECT http_route FROM spans WHERE duration_ms > 50) TO STDOUT"); err != nil {
			return err
		}
		return equal(out.String(), "/orders\n")
	})
	check("a transaction", func(it connection) error {
		return pgx.BeginTxFunc(it.ctx, it, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			inner, err := tx.Begin(it.ctx)
			if err != nil {
				return err
			}
			var n int
			if err := inner.QueryRow(it.ctx, "SELECT count(*) FROM spans").Scan(&n); err != nil {
				return err
			}
			if err := inner.Commit(it.ctx); err != nil {
				return err
			}
			return equal(n, 31)
		})
	})
	check("rows as structs", func(it connection) error {
		rows, err := it.Query(it.ctx, "SELECT name, duration_ms FROM spans WHERE http_route = @route", pgx.NamedArgs{"route": "/orders"})
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, pgx.RowToStructByName[struct {
			Name     string
			Duration float64 `db:"duration_ms"`
		}])
		if err != nil {
			return err
		}
		return equal(found, "[{POST /orders 80}]")
	})
	check("a pool", func(it connection) error {
		pool, err := pgxpool.New(it.ctx, url)
		if err != nil {
			return err
		}
		defer pool.Close()
		faults := make(chan error, 20)
		for n := range 20 {
			go func() {
				var found int
				err := pool.QueryRow(it.ctx, "SELECT count(*) + $1::int FROM spans", n).Scan(&found)
				if err == nil {
					err = equal(found, 31+n)
				}
				faults <- err
			}()
		}
		for range 20 {
			if err := <-faults; err != nil {
				return err
			}
		}
		return nil
	})
	check("database/sql", func(it connection) error {
		db, err := sql.Open("pgx", url)
		if err != nil {
			return err
		}
		defer db.Close()
		var n int
		if err := db.QueryRow("SELECT count(*) FROM (SELECT name FROM spans LIMIT $1) s", 7).Scan(&n); err != nil {
			return err
		}
		return equal(n, 7)
	})
	fmt.Printf("RESULT pgx %d %d\n", tried, failed)
}
