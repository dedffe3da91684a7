import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Array;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.OffsetDateTime;
import java.util.Properties;
import org.postgresql.PGConnection;

/** pgjdbc: all that DatabaseMetaData asks, prepared statements in text and binary, fetch sizes, COPY. */
final class Client {
    private static int tried;
    private static int failed;
    private static String url;

    interface Check {
        void run(Connection it) throws Exception;
    }

    private static void check(String name, Check check) {
        check(name, new Properties(), check);
    }

    private static void check(String name, Properties properties, Check check) {
        tried++;
        Properties all = new Properties();
        all.putAll(properties);
        all.put("user", "spanwise");
        try (Connection it = DriverManager.getConnection(url, all)) {
            check.run(it);
        } catch (Throwable error) {
            failed++;
            String text = String.valueOf(error).replaceAll("\\s+", " ");
            System.out.println("FAILED JDBC: " + name + ": " + text.substring(0, Math.min(600, text.length())));
        }
    }

    private static void equal(Object found, Object expected) {
        if (!String.valueOf(expected).equals(String.valueOf(found))) {
            throw new AssertionError("expected " + expected + ", found " + found);
        }
    }

    /** All rows are read, every column as an object. */
    private static int rows(ResultSet rows) throws SQLException {
        int count = 0;
        try (rows) {
            ResultSetMetaData meta = rows.getMetaData();
            while (rows.next()) {
                count++;
                for (int column = 1; column <= meta.getColumnCount(); column++) {
                    rows.getObject(column);
                }
            }
        }
        return count;
    }

    private static void some(ResultSet rows) throws SQLException {
        if (rows(rows) == 0) {
            throw new AssertionError("expected rows");
        }
    }

    private static void meta(String name, MetaCheck check) {
        check("DatabaseMetaData." + name, it -> check.run(it.getMetaData()));
    }

    interface MetaCheck {
        void run(DatabaseMetaData it) throws Exception;
    }

    public static void main(String[] arguments) {
        url = "jdbc:postgresql://127.0.0.1:" + arguments[0] + "/spanwise";
        metadata();
        statements();
        fetching();
        System.out.println("RESULT JDBC " + tried + " " + failed);
        for (int at = 1; at < arguments.length; at++) {
            tool(Path.of(arguments[at]));
        }
    }

    /** What a tool asks: statements, each below a line with its name; one whose name ends in "(none)" may find nothing. */
    private static void tool(Path file) {
        tried = 0;
        failed = 0;
        String name = file.getFileName().toString().replace(".sql", "");
        try {
            for (String part : ("\n" + Files.readString(file)).split("\n-- ")) {
                if (part.isBlank()) {
                    continue;
                }
                String title = part.lines().findFirst().orElse("");
                String sql = part.substring(title.length());
                check(name + ": " + title, it -> {
                    for (int round = 0; round < 2; round++) {
                        try (PreparedStatement statement = it.prepareStatement(sql)) {
                            int found = rows(statement.executeQuery());
                            equal(found > 0 || title.endsWith("(none)"), true);
                        }
                        equal(rows(it.createStatement().executeQuery(sql)) > 0 || title.endsWith("(none)"), true);
                    }
                });
            }
        } catch (IOException error) {
            failed++;
            System.out.println("FAILED " + name + ": " + error);
        }
        System.out.println("RESULT " + name + " " + tried + " " + failed);
    }

    private static void metadata() {
        String[] any = {"TABLE", "VIEW"};
        meta("getTables", it -> some(it.getTables(null, "public", "%", any)));
        meta("getTables of the connection's catalog", it -> some(it.getTables(it.getConnection().getCatalog(), null, "spans", null)));
        meta("getTables of the system", it -> some(it.getTables(null, "pg_catalog", "pg_c%", new String[] {"SYSTEM TABLE"})));
        meta("getColumns", it -> {
            try (ResultSet rows = it.getColumns(null, "public", "spans", "start_time")) {
                rows.next();
                equal(rows.getString("TYPE_NAME") + " " + rows.getInt("DATA_TYPE"), "timestamptz " + Types.TIMESTAMP);
                equal(rows.getString("REMARKS") != null, true);
            }
            some(it.getColumns(null, null, "%", "%"));
        });
        meta("getSchemas", it -> {
            some(it.getSchemas());
            some(it.getSchemas(null, "pub%"));
        });
        meta("getCatalogs", it -> some(it.getCatalogs()));
        meta("getTableTypes", it -> some(it.getTableTypes()));
        meta("getTypeInfo", it -> some(it.getTypeInfo()));
        meta("getPrimaryKeys", it -> equal(rows(it.getPrimaryKeys(null, "public", "spans")), 0));
        meta("getImportedKeys", it -> equal(rows(it.getImportedKeys(null, "public", "spans")), 0));
        meta("getExportedKeys", it -> equal(rows(it.getExportedKeys(null, "public", "spans")), 0));
        meta("getCrossReference", it -> equal(rows(it.getCrossReference(null, "public", "spans", null, "public", "logs")), 0));
        meta("getIndexInfo", it -> equal(rows(it.getIndexInfo(null, "public", "spans", false, true)), 0));
        meta("getBestRowIdentifier", it -> equal(rows(it.getBestRowIdentifier(null, "public", "spans", 2, true)), 0));
        meta("getVersionColumns", it -> rows(it.getVersionColumns(null, "public", "spans")));
        meta("getProcedures", it -> rows(it.getProcedures(null, null, "%")));
        meta("getProcedureColumns", it -> rows(it.getProcedureColumns(null, "pg_catalog", "array_to_string", "%")));
        meta("getFunctions", it -> some(it.getFunctions(null, "pg_catalog", "array%")));
        meta("getFunctionColumns", it -> some(it.getFunctionColumns(null, "pg_catalog", "array_to_string", "%")));
        meta("getTablePrivileges", it -> rows(it.getTablePrivileges(null, "public", "spans")));
        meta("getColumnPrivileges", it -> rows(it.getColumnPrivileges(null, "public", "spans", "%")));
        meta("getUDTs", it -> rows(it.getUDTs(null, "public", "%", null)));
        meta("getClientInfoProperties", it -> some(it.getClientInfoProperties()));
        meta("functions of the dialect", it -> {
            it.getNumericFunctions();
            it.getStringFunctions();
            it.getSystemFunctions();
            it.getTimeDateFunctions();
        });
        meta("getSQLKeywords", it -> equal(it.getSQLKeywords().contains("ilike"), true));
        meta("getMaxColumnNameLength", it -> equal(it.getMaxColumnNameLength(), 63));
        meta("versions", it -> equal(it.getDatabaseProductName() + " " + it.getDatabaseMajorVersion(), "PostgreSQL 16"));
        meta("getDefaultTransactionIsolation", it -> it.getDefaultTransactionIsolation());
        meta("getUserName", it -> equal(it.getUserName(), "spanwise"));
    }

    private static void statements() {
        for (int threshold : new int[] {-1, 0, 1, 5}) {
            Properties properties = new Properties();
            properties.put("prepareThreshold", String.valueOf(threshold));
            check("parameters, prepareThreshold=" + threshold, properties, it -> {
                String sql = "SELECT count(*) FROM spans WHERE http_route = ? AND duration_ms < ?";
                try (PreparedStatement statement = it.prepareStatement(sql)) {
                    for (int round = 0; round < 7; round++) {
                        statement.setString(1, "/products/{id}");
                        statement.setDouble(2, 50.0);
                        try (ResultSet rows = statement.executeQuery()) {
                            rows.next();
                            equal(rows.getLong(1), 30);
                        }
                    }
                }
            });
        }
        for (String mode : new String[] {"simple", "extended", "extendedForPrepared", "extendedCacheEverything"}) {
            Properties properties = new Properties();
            properties.put("preferQueryMode", mode);
            check("preferQueryMode=" + mode, properties, it -> {
                try (PreparedStatement statement = it.prepareStatement("SELECT name FROM spans WHERE duration_ms < ? LIMIT ?")) {
                    statement.setDouble(1, 50.0);
                    statement.setInt(2, 4);
                    equal(rows(statement.executeQuery()), 4);
                }
                try (Statement statement = it.createStatement()) {
                    equal(rows(statement.executeQuery("SELECT name FROM spans")), 31);
                }
            });
        }
        check("types", it -> {
            String sql = "SELECT name, duration_ms, error, start_time, http_response_status_code, attributes FROM spans WHERE http_route = '/orders'";
            try (PreparedStatement statement = it.prepareStatement(sql)) {
                for (int round = 0; round < 7; round++) {
                    try (ResultSet rows = statement.executeQuery()) {
                        rows.next();
                        equal(rows.getDouble(2) + " " + rows.getBoolean(3) + " " + rows.getInt(5), "80.0 false 200");
                        equal(rows.getTimestamp(4).getTime() > 0 && rows.getObject(4, OffsetDateTime.class) != null, true);
                        equal(rows.getString(6).startsWith("{"), true);
                    }
                }
            }
        });
        check("what is to be sent", it -> {
            String sql = "SELECT count(*) FROM spans WHERE start_time > ? AND error = ? AND http_response_status_code = ? AND http_route = ANY(?)";
            try (PreparedStatement statement = it.prepareStatement(sql)) {
                Array routes = it.createArrayOf("text", new String[] {"/orders", "/nothing"});
                statement.setTimestamp(1, new Timestamp(0));
                statement.setBoolean(2, false);
                statement.setInt(3, 200);
                statement.setArray(4, routes);
                try (ResultSet rows = statement.executeQuery()) {
                    rows.next();
                    equal(rows.getInt(1), 1);
                }
            }
        });
        check("what a statement needs", it -> {
            try (PreparedStatement statement = it.prepareStatement("SELECT name, duration_ms FROM spans WHERE http_route = ? LIMIT ?")) {
                equal(statement.getParameterMetaData().getParameterTypeName(1) + " " + statement.getParameterMetaData().getParameterTypeName(2), "text int8");
                ResultSetMetaData meta = statement.getMetaData();
                equal(meta.getColumnName(2) + " " + meta.getColumnTypeName(2), "duration_ms float8");
            }
        });
        check("arrays", it -> {
            try (ResultSet rows = it.createStatement().executeQuery("SELECT ARRAY['a', 'b'], current_schemas(false)")) {
                rows.next();
                equal(((Object[]) rows.getArray(1).getArray()).length + " " + ((Object[]) rows.getArray(2).getArray())[0], "2 public");
            }
        });
        check("a read-only connection", it -> {
            it.setReadOnly(true);
            it.setAutoCommit(false);
            equal(rows(it.createStatement().executeQuery("SELECT 1")), 1);
            it.commit();
            it.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            it.rollback();
            equal(it.isValid(5), true);
            equal(it.getSchema(), "public");
        });
        check("a schema and a timeout", it -> {
            it.setSchema("public");
            try (Statement statement = it.createStatement()) {
                statement.setQueryTimeout(20);
                equal(rows(statement.executeQuery("SELECT count(*) FROM spans")), 1);
            }
        });
        check("an error", it -> {
            try {
                it.createStatement().executeQuery("SELECT nothing_like_it FROM spans");
                throw new AssertionError("expected an error");
            } catch (SQLException error) {
                equal(error.getSQLState(), "42703");
            }
            equal(rows(it.createStatement().executeQuery("SELECT 1")), 1);
        });
        check("statements at once", it -> {
            Statement statement = it.createStatement();
            equal(statement.execute("SELECT 1; SELECT 2"), true);
            equal(statement.getMoreResults(), true);
        });
        check("COPY", it -> {
            StringWriter out = new StringWriter();
            it.unwrap(PGConnection.class).getCopyAPI().copyOut("COPY (SELECT http_route FROM spans WHERE duration_ms > 50) TO STDOUT WITH CSV HEADER", out);
            equal(out.toString().trim().replace("\n", " "), "http_route /orders");
        });
    }

    private static void fetching() {
        check("setMaxRows", it -> {
            try (Statement statement = it.createStatement()) {
                statement.setMaxRows(5);
                equal(rows(statement.executeQuery("SELECT name FROM spans")), 5);
                statement.setMaxRows(0);
                equal(rows(statement.executeQuery("SELECT name FROM spans")), 31);
            }
            try (PreparedStatement statement = it.prepareStatement("SELECT name FROM spans WHERE duration_ms < ?")) {
                statement.setMaxRows(5);
                statement.setDouble(1, 50.0);
                for (int round = 0; round < 7; round++) {
                    equal(rows(statement.executeQuery()), 5);
                }
            }
        });
        check("setMaxRows of many rows", it -> {
            try (Statement statement = it.createStatement()) {
                statement.setMaxRows(100);
                equal(rows(statement.executeQuery("SELECT * FROM generate_series(1, 5000000) AS t(n)")), 100);
            }
        });
        check("a fetch size", it -> {
            it.setAutoCommit(false);
            try (PreparedStatement statement = it.prepareStatement("SELECT name FROM spans WHERE duration_ms < ?")) {
                statement.setFetchSize(7);
                statement.setDouble(1, 50.0);
                equal(rows(statement.executeQuery()), 30);
            }
            it.commit();
        });
        check("a fetch size over a million rows", it -> {
            it.setAutoCommit(false);
            try (Statement statement = it.createStatement()) {
                statement.setFetchSize(10_000);
                try (ResultSet rows = statement.executeQuery("SELECT n, 'row ' || n FROM generate_series(1, 1100000) AS t(n)")) {
                    long count = 0;
                    long sum = 0;
                    while (rows.next()) {
                        count++;
                        sum += rows.getLong(1);
                    }
                    equal(count + " " + sum, "1100000 605000550000");
                }
            }
            it.commit();
        });
        check("a fetch size, left early", it -> {
            it.setAutoCommit(false);
            for (int round = 0; round < 3; round++) {
                try (Statement statement = it.createStatement()) {
                    statement.setFetchSize(100);
                    try (ResultSet rows = statement.executeQuery("SELECT * FROM generate_series(1, 100000) AS t(n)")) {
                        rows.next();
                        equal(rows.getLong(1), 1);
                    }
                }
            }
            it.commit();
            equal(rows(it.createStatement().executeQuery("SELECT 1")), 1);
        });
        check("two answers side by side", it -> {
            it.setAutoCommit(false);
            try (Statement one = it.createStatement(); Statement other = it.createStatement()) {
                one.setFetchSize(3);
                other.setFetchSize(3);
                ResultSet first = one.executeQuery("SELECT * FROM generate_series(1, 10) AS t(n)");
                ResultSet second = other.executeQuery("SELECT * FROM generate_series(11, 20) AS t(n)");
                long sum = 0;
                while (first.next() && second.next()) {
                    sum += first.getLong(1) * 100 + second.getLong(1);
                }
                equal(sum, 5655);
            }
            it.commit();
        });
    }
}
