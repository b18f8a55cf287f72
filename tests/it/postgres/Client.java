// Reads over the PostgreSQL protocol with JDBC: `java -cp DRIVER -Dtools=FILE Client.java HOST:PORT USER PASSWORD CHECK…`. Each check is a method
// here; it fails by an exception. Without one all are run.

import java.math.BigDecimal;
import java.sql.Array;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Calendar;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TimeZone;
import java.util.TreeMap;

public class Client {
    static String server, user, password;

    static final long N = 9_007_199_254_740_993L;
    static final OffsetDateTime AT = OffsetDateTime.of(2024, 2, 29, 12, 30, 1, 250_000_000, ZoneOffset.UTC);
    static final LocalDate DAY = LocalDate.of(2024, 2, 29);

    interface Check {
        void run() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        server = arguments[0];
        user = arguments[1];
        password = arguments[2];
        Map<String, Check> checks = new TreeMap<>();
        checks.put("types", Client::types);
        checks.put("parameters", Client::parameters);
        checks.put("portals", Client::portals);
        checks.put("metadata", Client::metadata);
        checks.put("cancels", Client::cancels);
        checks.put("transactions", Client::transactions);
        checks.put("errors", Client::errors);
        checks.put("freshness", Client::freshness);
        checks.put("names", Client::names);
        checks.put("tools", Client::tools);
        List<String> named = Arrays.asList(arguments).subList(3, arguments.length);
        for (String check : named.isEmpty() ? checks.keySet() : named) {
            try {
                checks.get(check).run();
            } catch (Throwable thrown) {
                System.out.println(check + " fails");
                throw thrown;
            }
        }
        if (!WRONG.isEmpty()) {
            throw new AssertionError(String.join("\n", WRONG));
        }
        System.out.println("ok");
    }

    static Connection connect(String... more) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", user);
        properties.setProperty("password", password);
        properties.setProperty("connectTimeout", "10");
        properties.setProperty("socketTimeout", "60");
        for (int place = 0; place < more.length; place += 2) {
            properties.setProperty(more[place], more[place + 1]);
        }
        return DriverManager.getConnection("jdbc:postgresql://" + server + "/readside", properties);
    }

    static void is(Object given, Object expected, String what) {
        boolean same = expected == null ? given == null : expected.equals(given);
        if (!same) {
            throw new AssertionError(what + " is " + given + " and not " + expected);
        }
    }

    interface Question {
        Object answer() throws SQLException;
    }

    static final List<String> WRONG = new ArrayList<>();

    /** Goes on behind an answer that is another one: all of them are told at the end. */
    static void asks(String what, Object expected, Question question) {
        try {
            is(question.answer(), expected, what);
        } catch (AssertionError | SQLException error) {
            WRONG.add(what + ": " + error.getMessage());
        }
    }

    /** The rows of an answer, each as its values with bars between them. */
    static List<String> rows(ResultSet answer, String... columns) throws SQLException {
        List<String> rows = new ArrayList<>();
        int count = answer.getMetaData().getColumnCount();
        while (answer.next()) {
            List<String> values = new ArrayList<>();
            for (int place = 1; columns.length == 0 && place <= count; place++) {
                values.add(answer.getString(place));
            }
            for (String column : columns) {
                values.add(answer.getString(column));
            }
            rows.add(String.join("|", values.stream().map(String::valueOf).toList()));
        }
        answer.close();
        return rows;
    }

    static List<String> rows(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return rows(statement.executeQuery(sql));
        }
    }

    static String list(Array array) throws SQLException {
        return Arrays.deepToString((Object[]) array.getArray());
    }

    /** The error of a statement that has to fail, by its code. */
    static SQLException fails(Connection connection, String code, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        } catch (SQLException error) {
            is(error.getSQLState(), code, "the code of `" + error.getMessage() + "`");
            return error;
        }
        throw new AssertionError("nothing is wrong with " + sql);
    }

    /** Every type comes out the same in each of the protocol's modes, as a text and in binary, and NULL as nothing. */
    static void types() throws Exception {
        for (String mode : List.of("simple", "extended", "extendedForPrepared", "extendedCacheEverything")) {
            for (String threshold : List.of("1", "-1", "5")) {
                try (Connection connection = connect("preferQueryMode", mode, "prepareThreshold", threshold)) {
                    // A statement that is run often is prepared by name, and its answers are binary then.
                    try (PreparedStatement things = connection.prepareStatement("SELECT * FROM things WHERE id = ?");
                            PreparedStatement samples = connection.prepareStatement("SELECT * FROM samples WHERE id = ?")) {
                        for (int time = 0; time < 7; time++) {
                            thing(things);
                            sample(samples);
                        }
                    }
                    bytes(connection);
                }
            }
        }
    }

    static ResultSet of(PreparedStatement statement, String id) throws SQLException {
        statement.setString(1, id);
        ResultSet answer = statement.executeQuery();
        is(answer.next(), true, "whether there is a row " + id);
        return answer;
    }

    static void thing(PreparedStatement things) throws SQLException {
        try (ResultSet row = of(things, "a")) {
            is(row.getString("id"), "a", "id");
            is(row.getLong("n"), N, "n");
            is(row.getObject("n"), N, "n as an object");
            is(row.getInt("small"), -7, "small");
            is(row.getObject("small"), -7, "small as an object");
            is(row.getBigDecimal("price"), new BigDecimal("19.90"), "price");
            is(row.getDouble("rate"), 0.1, "rate");
            is(row.getBoolean("ok"), true, "ok");
            is(row.getObject("day", LocalDate.class), DAY, "day");
            is(row.getDate("day").toString(), "2024-02-29", "day as java.sql.Date");
            is(row.getObject("at", OffsetDateTime.class), AT, "at");
            is(row.getTimestamp("at").toInstant(), AT.toInstant(), "at as java.sql.Timestamp");
            is(list(row.getArray("tags")), "[x, y,\"z\", null]", "tags");
            is(list(row.getArray("sizes")), "[1, 2]", "sizes");
            is(row.getString("address"), "{\"city\":\"Köln\",\"zip\":null}", "address");
            is(row.getString("counts"), "{\"k\":1}", "counts");
            is(row.next(), false, "whether there is a second row");
        }
        nothing(of(things, "b"));
    }

    static void sample(PreparedStatement samples) throws SQLException {
        try (ResultSet row = of(samples, "s")) {
            is(row.getFloat("ratio"), 0.5f, "ratio");
            is(row.getString("doc"), "{\"a\":[1,null]}", "doc");
            is(list(row.getArray("flags")), "[true, null, false]", "flags");
            is(list(row.getArray("days")), "[2024-02-29]", "days");
            Object[] moments = (Object[]) row.getArray("moments").getArray();
            is(((Timestamp) moments[0]).toInstant(), AT.toInstant(), "the first of moments");
            is(moments[1], null, "the second of moments");
            is(list(row.getArray("rates")), "[0.1, -2.5]", "rates");
            is(list(row.getArray("prices")), "[19.90, -0.05]", "prices");
            is(row.getString("parts"), "[{\"name\":\"x\",\"n\":1}]", "parts");
        }
        nothing(of(samples, "t"));
    }

    static void nothing(ResultSet row) throws SQLException {
        for (int place = 2; place <= row.getMetaData().getColumnCount(); place++) {
            is(row.getObject(place), null, row.getMetaData().getColumnName(place));
            is(row.wasNull(), true, "whether that is NULL");
        }
        row.close();
    }

    /** Tables have no bytes; expressions have. */
    static void bytes(Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("SELECT decode('00ff', 'hex') AS b")) {
            for (int time = 0; time < 7; time++) {
                try (ResultSet answer = statement.executeQuery()) {
                    answer.next();
                    is(Arrays.toString(answer.getBytes(1)), "[0, -1]", "bytes");
                }
            }
        }
    }

    static final List<String> IN_TEXTS_ONLY_OF_POSTGRESQL = List.of("day = ? -- java.sql", "ok = ?", "id = ANY (?)", "n = ANY (?)");

    interface Setter {
        void set(PreparedStatement statement) throws SQLException;
    }

    /** Parameters of each type find the row, in texts and in binary; what is none of its type is an error. */
    static void parameters() throws Exception {
        Calendar utc = Calendar.getInstance(TimeZone.getTimeZone("UTC"));
        Map<String, Setter> found = new TreeMap<>();
        found.put("id = ?", statement -> statement.setString(1, "a"));
        found.put("id = ? -- as an object", statement -> statement.setObject(1, "a", Types.VARCHAR));
        found.put("n = ?", statement -> statement.setLong(1, N));
        found.put("small = ?", statement -> statement.setInt(1, -7));
        found.put("small = ? -- short", statement -> statement.setShort(1, (short) -7));
        found.put("price = ?", statement -> statement.setBigDecimal(1, new BigDecimal("19.90")));
        found.put("price = ? -- with other digits", statement -> statement.setBigDecimal(1, new BigDecimal("19.9")));
        found.put("rate = ?", statement -> statement.setDouble(1, 0.1));
        found.put("rate < ?", statement -> statement.setFloat(1, 0.5f));
        found.put("ok = ?", statement -> statement.setBoolean(1, true));
        found.put("day = ?", statement -> statement.setObject(1, DAY));
        found.put("day = ? -- java.sql", statement -> statement.setDate(1, Date.valueOf(DAY)));
        found.put("at = ?", statement -> statement.setObject(1, AT));
        found.put("at = ? -- java.sql", statement -> statement.setTimestamp(1, Timestamp.from(AT.toInstant()), utc));
        found.put("at = ? -- of a clock", statement -> statement.setTimestamp(1, Timestamp.from(AT.toInstant())));
        found.put("id = ANY (?)", statement ->
            statement.setArray(1, statement.getConnection().createArrayOf("text", new Object[] {"a", "q,\"", null})));
        found.put("n = ANY (?)", statement ->
            statement.setArray(1, statement.getConnection().createArrayOf("bigint", new Object[] {N})));
        found.put("n IN (?, 1)", statement -> statement.setLong(1, N));
        found.put("n BETWEEN ? AND 9007199254740993", statement -> statement.setInt(1, 7));
        found.put("id LIKE ?", statement -> statement.setString(1, "a%"));
        found.put("?::int8 = 41 AND id = 'a'", statement -> statement.setInt(1, 41));
        found.put("coalesce(?, 'a') = id", statement -> statement.setNull(1, Types.VARCHAR));
        for (String mode : List.of("simple", "extended")) {
            try (Connection connection = connect("preferQueryMode", mode, "prepareThreshold", "2")) {
                for (Map.Entry<String, Setter> one : found.entrySet()) {
                    // In a text of its own the driver writes a zone behind a day, and a list and a truth value as texts.
                    if (mode.equals("simple") && IN_TEXTS_ONLY_OF_POSTGRESQL.contains(one.getKey())) {
                        continue;
                    }
                    String sql = "SELECT id FROM things WHERE " + one.getKey();
                    try (PreparedStatement statement = connection.prepareStatement(sql)) {
                        for (int time = 0; time < 4; time++) {
                            one.getValue().set(statement);
                            is(rows(statement.executeQuery()), List.of("a"), mode + ": " + one.getKey());
                        }
                    } catch (SQLException | AssertionError error) {
                        WRONG.add(mode + ": " + one.getKey() + ": " + error.getMessage());
                    }
                }
                try (PreparedStatement statement = connection.prepareStatement("SELECT id FROM things WHERE n = ?")) {
                    for (int of : List.of(Types.BIGINT, Types.NULL)) {
                        statement.setNull(1, of);
                        is(rows(statement.executeQuery()), List.of(), "what is NULL");
                    }
                    statement.setString(1, "no number");
                    try {
                        statement.executeQuery();
                        throw new AssertionError("a text was taken for a number");
                    } catch (SQLException expected) {
                        is(expected.getSQLState().substring(0, 2).matches("22|42"), true, expected.getSQLState());
                    }
                }
            }
        }
        try (Connection connection = connect(); PreparedStatement statement = connection.prepareStatement("SELECT id FROM things WHERE n = ?")) {
            is(statement.getParameterMetaData().getParameterType(1), Types.BIGINT, "the parameter's type");
            ResultSetMetaData columns = statement.getMetaData();
            is(columns.getColumnTypeName(1), "text", "the column's type before it is run");
        }
    }

    /** Rows come in parts, of a transaction only: so the driver says. */
    static void portals() throws Exception {
        for (String mode : List.of("simple", "extended")) {
            try (Connection connection = connect("preferQueryMode", mode)) {
                connection.setAutoCommit(false);
                try (PreparedStatement statement = connection.prepareStatement("SELECT n FROM numbers WHERE n < ? ORDER BY n")) {
                    statement.setFetchSize(7);
                    for (int time = 0; time < 7; time++) {
                        statement.setLong(1, 100);
                        try (ResultSet answer = statement.executeQuery()) {
                            long n = 0;
                            while (answer.next()) {
                                is(answer.getLong(1), n++, "a number in its place");
                            }
                            is(n, 100L, "how many there are");
                        }
                    }
                    // One that is left before its end, and one after the other.
                    statement.setLong(1, 50);
                    statement.executeQuery().next();
                }
                connection.commit();
                // Of a text alone no client can say that.
                if (mode.equals("extended")) {
                    try (Statement statement = connection.createStatement()) {
                        statement.setMaxRows(3);
                        is(rows(statement.executeQuery("SELECT n FROM numbers ORDER BY n")), List.of("0", "1", "2"), "what is asked at most");
                    }
                }
                connection.rollback();
            }
        }
    }

    /** What there is, as every tool over JDBC asks for it. */
    static void metadata() throws Exception {
        try (Connection connection = connect()) {
            DatabaseMetaData data = connection.getMetaData();
            asks("the product", "PostgreSQL", () -> data.getDatabaseProductName());
            asks("its version", 15, () -> data.getDatabaseMajorVersion());
            asks("the user", user, () -> data.getUserName());
            asks("whether there are transactions", true, () -> data.supportsTransactions());
            asks("how long a name may be", 63, () -> data.getMaxColumnNameLength());
            asks("how many columns an index may have", 32, () -> data.getMaxColumnsInIndex());
            asks("words of PostgreSQL", true, () -> data.getSQLKeywords().contains("analyse"));
            asks("catalogs", List.of("readside"), () -> rows(data.getCatalogs()));
            asks("whether public is a schema", true, () -> rows(data.getSchemas(), "TABLE_SCHEM").contains("public"));
            asks("schemas like a pattern", List.of("public"), () -> rows(data.getSchemas(null, "pub%"), "TABLE_SCHEM"));
            asks("whether tables are a type", true, () -> rows(data.getTableTypes()).contains("TABLE"));
            asks("tables and views", List.of("guarded|TABLE", "numbers|TABLE", "readings|TABLE", "samples|TABLE", "things|TABLE", "totals|VIEW"),
                () -> rows(data.getTables(null, "public", "%", new String[] {"TABLE", "VIEW"}), "TABLE_NAME", "TABLE_TYPE"));
            asks("tables like a pattern, and their indexes", List.of("things_pkey", "things"), () -> rows(data.getTables(null, null, "th%", null), "TABLE_NAME"));
            asks("tables like an escaped pattern", List.of(), () -> rows(data.getTables(null, null, "th\\_%", null), "TABLE_NAME"));
            asks("one table", List.of("public|things|null"),
                () -> rows(data.getTables("readside", "public", "things", null), "TABLE_SCHEM", "TABLE_NAME", "REMARKS"));
            asks("indexes among the tables", List.of("things_pkey"),
                () -> rows(data.getTables(null, "public", "things%", new String[] {"INDEX"}), "TABLE_NAME"));
            asks("columns", List.of(
                "1|id|12|text|2147483647|0|NO|null|NO",
                "2|n|-5|int8|19|0|YES|null|NO",
                "3|small|4|int4|10|0|YES|null|NO",
                "4|price|2|numeric|9|2|YES|null|NO",
                "5|rate|8|float8|17|17|YES|null|NO",
                "6|ok|-7|bool|1|0|YES|null|NO",
                "7|day|91|date|13|0|YES|null|NO",
                "8|at|93|timestamptz|35|6|YES|null|NO",
                "9|tags|2003|_text|2147483647|0|YES|null|NO",
                "10|sizes|2003|_int8|19|0|YES|null|NO",
                "11|address|1111|json|2147483647|0|YES|null|NO",
                "12|counts|1111|json|2147483647|0|YES|null|NO"),
                () -> rows(data.getColumns(null, "public", "things", "%"), "ORDINAL_POSITION", "COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE",
                    "DECIMAL_DIGITS", "IS_NULLABLE", "COLUMN_DEF", "IS_AUTOINCREMENT"));
            asks("columns of a view", List.of("n|int8"), () -> rows(data.getColumns(null, null, "totals", null), "COLUMN_NAME", "TYPE_NAME"));
            asks("columns like a pattern", List.of("price"), () -> rows(data.getColumns(null, null, "things", "pr%"), "COLUMN_NAME"));
            asks("a key", List.of("id|1|things_pkey"),
                () -> rows(data.getPrimaryKeys(null, "public", "things"), "COLUMN_NAME", "KEY_SEQ", "PK_NAME"));
            asks("a key of two columns", List.of("sensor|1|readings_pkey", "at|2|readings_pkey"),
                () -> rows(data.getPrimaryKeys(null, "public", "readings"), "COLUMN_NAME", "KEY_SEQ", "PK_NAME"));
            asks("the key of a view", List.of(), () -> rows(data.getPrimaryKeys(null, null, "totals")));
            asks("indexes", List.of("f|readings_pkey|1|sensor|A", "f|readings_pkey|2|at|A"),
                () -> rows(data.getIndexInfo(null, "public", "readings", true, false), "NON_UNIQUE", "INDEX_NAME", "ORDINAL_POSITION", "COLUMN_NAME", "ASC_OR_DESC"));
            asks("what tells rows apart", List.of("id"),
                () -> rows(data.getBestRowIdentifier(null, "public", "things", DatabaseMetaData.bestRowSession, false), "COLUMN_NAME"));
            asks("keys of others", List.of(), () -> rows(data.getImportedKeys(null, "public", "things")));
            asks("keys for others", List.of(), () -> rows(data.getExportedKeys(null, "public", "things")));
            asks("keys between", List.of(), () -> rows(data.getCrossReference(null, "public", "things", null, "public", "numbers")));
            asks("procedures", List.of(), () -> rows(data.getProcedures(null, "public", "%")));
            asks("columns of procedures", List.of(), () -> rows(data.getProcedureColumns(null, "public", "%", "%")));
            asks("functions", List.of(), () -> rows(data.getFunctions(null, "public", "%")));
            asks("columns of functions", List.of(), () -> rows(data.getFunctionColumns(null, "public", "%", "%")));
            asks("types of users", List.of(), () -> rows(data.getUDTs(null, "public", "%", null)));
            asks("rights on columns", List.of(), () -> rows(data.getColumnPrivileges(null, "public", "totals", "none")));
            asks("rights on tables", List.of(), () -> rows(data.getTablePrivileges(null, "public", "none")));
            asks("what changes with a row", List.of("ctid"), () -> rows(data.getVersionColumns(null, "public", "things"), "COLUMN_NAME"));
            asks("what a client may say of itself", List.of("ApplicationName"), () -> rows(data.getClientInfoProperties(), "NAME"));
            for (String type : List.of("int8|-5", "text|12", "numeric|2", "timestamptz|93", "json|1111", "_text|2003", "bool|-7")) {
                asks("whether the type " + type + " is there", true, () -> rows(data.getTypeInfo(), "TYPE_NAME", "DATA_TYPE").contains(type));
            }
            asks("the schema", "public", () -> connection.getSchema());
            asks("the catalog", "readside", () -> connection.getCatalog());
            asks("whether it is valid", true, () -> connection.isValid(5));
            connection.setSchema("public");
            try (Statement statement = connection.createStatement(); ResultSet answer = statement.executeQuery("SELECT price, tags, n AS other FROM things")) {
                ResultSetMetaData columns = answer.getMetaData();
                is(columns.getPrecision(1), 9, "the precision of price");
                is(columns.getScale(1), 2, "the scale of price");
                is(columns.getColumnType(2), Types.ARRAY, "the type of tags");
                is(columns.getColumnTypeName(2), "_text", "the type's name of tags");
                is(columns.getColumnLabel(3), "other", "a name that was given");
                is(columns.isAutoIncrement(1), false, "whether it counts by itself");
            }
        }
    }

    /** Columns have the names that PostgreSQL gives them, and may have the same one. */
    static void names() throws Exception {
        try (Connection connection = connect(); Statement statement = connection.createStatement()) {
            String sql = "SELECT count(*), sum(n), max(n)::text, min(n) + 1, CASE WHEN true THEN 1 END, count(*), max(n) AS max FROM numbers";
            for (PreparedStatement prepared : Arrays.asList(null, connection.prepareStatement(sql))) {
                try (ResultSet answer = prepared == null ? statement.executeQuery(sql) : prepared.executeQuery()) {
                    ResultSetMetaData columns = answer.getMetaData();
                    List<String> names = new ArrayList<>();
                    for (int place = 1; place <= columns.getColumnCount(); place++) {
                        names.add(columns.getColumnLabel(place));
                    }
                    is(names, List.of("count", "sum", "max", "?column?", "case", "count", "max"), "the names");
                    answer.next();
                    is(answer.getInt("count"), 1000, "a column by its name");
                }
            }
            is(rows(connection, "SELECT n, n, numbers.n, * FROM numbers ORDER BY n LIMIT 1"), List.of("0|0|0|0"), "columns of one name");
            is(rows(connection, "SELECT 1, 1, NULL, NULL"), List.of("1|1|null|null"), "columns without a name");
            is(rows(connection, "SELECT id, n AS id FROM things ORDER BY things.id LIMIT 1"), List.of("a|" + N), "a name given twice");
        }
    }

    /** What tools ask, prepared as they prepare it. */
    static void tools() throws Exception {
        String file = java.nio.file.Files.readString(java.nio.file.Path.of(System.getProperty("tools")));
        try (Connection connection = connect("binaryTransfer", "false")) {
            String things = rows(connection, "SELECT oid FROM pg_class WHERE relname = 'things'").get(0);
            String[] parts = file.strip().split("\n\n+");
            for (String part : Arrays.asList(parts).subList(1, parts.length)) {
                List<String> sql = new ArrayList<>(), expected = new ArrayList<>();
                for (String line : part.split("\n")) {
                    if (line.startsWith("-->")) {
                        expected.add(line.substring(Math.min(4, line.length())));
                    } else if (!line.startsWith("-- ")) {
                        sql.add(line.replace("{things}", things));
                    }
                }
                String name = part.lines().findFirst().get();
                asks(name, expected, () -> {
                    try (PreparedStatement statement = connection.prepareStatement(String.join("\n", sql))) {
                        boolean hasRows = statement.execute();
                        // psql says so.
                        return hasRows ? rows(statement.getResultSet()).stream().map(row -> withoutNull(row)).toList() : List.of("SET");
                    }
                });
            }
        }
    }

    static String withoutNull(String row) {
        return String.join("|", Arrays.stream(row.split("\\|", -1)).map(value -> value.equals("null") ? "" : value).toList());
    }

    static final String LONG = "SELECT count(*) AS n FROM numbers a, numbers b, numbers c, numbers d WHERE a.n + b.n > c.n + d.n";

    /** A query that runs long ends when its client asks for that, or after its time, and the connection goes on. */
    static void cancels() throws Exception {
        try (Connection connection = connect(); Statement statement = connection.createStatement()) {
            Thread asking = new Thread(() -> {
                try {
                    Thread.sleep(500);
                    statement.cancel();
                } catch (Exception error) {
                    throw new IllegalStateException(error);
                }
            });
            asking.start();
            try {
                statement.executeQuery(LONG);
                throw new AssertionError("the query was not ended");
            } catch (SQLException ended) {
                is(ended.getSQLState(), "57014", "the code");
            }
            asking.join();
            is(rows(connection, "SELECT 1 AS one"), List.of("1"), "the next answer");
            statement.setQueryTimeout(1);
            try {
                statement.executeQuery(LONG);
                throw new AssertionError("the query took longer than it may");
            } catch (SQLException ended) {
                is(ended.getSQLState(), "57014", "the code");
            }
            is(rows(connection, "SELECT 1 AS one"), List.of("1"), "the next answer");
        }
    }

    /** Transactions only read, have the isolation that is asked for, and end by an error. */
    static void transactions() throws Exception {
        for (String mode : List.of("always", "transaction", "ignore")) {
            try (Connection connection = connect("readOnlyMode", mode)) {
                connection.setReadOnly(true);
                connection.setAutoCommit(false);
                connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
                is(connection.getTransactionIsolation(), Connection.TRANSACTION_REPEATABLE_READ, "the isolation");
                is(rows(connection, "SELECT count(*) AS n FROM things"), List.of("2"), "rows");
                is(rows(connection, "SHOW transaction_isolation"), List.of("repeatable read"), "the isolation in SQL");
                fails(connection, "42000", "SELECT nothing FROM things");
                fails(connection, "25P02", "SELECT 1 AS one");
                connection.rollback();
                java.sql.Savepoint savepoint = connection.setSavepoint("s");
                is(rows(connection, "SELECT 1 AS one"), List.of("1"), "behind a savepoint");
                connection.rollback(savepoint);
                connection.commit();
                connection.setAutoCommit(true);
                connection.setReadOnly(false);
                connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
                is(rows(connection, "SELECT 1 AS one"), List.of("1"), "without a transaction");
            }
        }
        // Each statement of a transaction may fail alone: the driver sets savepoints, which are names here.
        try (Connection connection = connect("autosave", "always")) {
            connection.setAutoCommit(false);
            is(rows(connection, "SELECT 1 AS one"), List.of("1"), "a row behind a savepoint of the driver");
            connection.commit();
        }
    }

    static void errors() throws Exception {
        try (Connection connection = connect()) {
            fails(connection, "42P01", "SELECT * FROM nothing_like_it");
            fails(connection, "42000", "SELECT nothing FROM things");
            fails(connection, "42000", "SELEC 1");
            fails(connection, "42000", "SELECT no_such_function(1) AS one");
            fails(connection, "22000", "SELECT 1 / (n - n) AS one FROM numbers");
            fails(connection, "22000", "SELECT CAST('x' || id AS bigint) AS one FROM things");
            for (String write : List.of("INSERT INTO things VALUES ('x')", "UPDATE things SET n = 1", "DELETE FROM things", "CREATE TABLE t (n int)",
                "DROP TABLE things", "TRUNCATE things", "CREATE TEMP TABLE t AS SELECT 1 AS one")) {
                fails(connection, "25006", write);
            }
            is(rows(connection, "SELECT 1 AS one"), List.of("1"), "the next answer");
        }
        try {
            password = password + "x";
            connect().close();
            throw new AssertionError("a wrong token was let in");
        } catch (SQLException error) {
            is(error.getSQLState(), "28P01", "the code of a wrong token");
        } finally {
            password = password.substring(0, password.length() - 1);
        }
    }

    /** How fresh an answer is, is a setting; and a warning where the session wants it. */
    static void freshness() throws Exception {
        try (Connection connection = connect("options", "-c readside.notice=always -c readside.max_lag=60s", "ApplicationName", "a test")) {
            try (Statement statement = connection.createStatement()) {
                statement.executeQuery("SELECT count(*) AS n FROM things").close();
                SQLWarning warning = statement.getWarnings();
                is(warning.getMessage(), "freshness: live", "the warning");
                is(warning.getSQLState(), "00000", "its code");
                is(warning.getNextWarning(), null, "a second one");
            }
            String told = rows(connection, "SHOW readside.freshness").get(0);
            is(told.contains("\"state\":\"live\"") && told.contains("\"positions\":{\"events\":"), true, told);
            is(rows(connection, "SHOW max_lag"), List.of("60s"), "a setting of the connection");
            is(rows(connection, "SHOW application_name"), List.of("a test"), "the application");
            connection.setClientInfo("ApplicationName", "another");
            is(rows(connection, "SHOW application_name"), List.of("another"), "the application");
            try (Statement statement = connection.createStatement()) {
                statement.execute("SET readside.wait TO '50ms'");
                statement.execute("SET readside.min_position TO 'events:1000000'");
            }
            SQLException error = fails(connection, "RS001", "SELECT count(*) AS n FROM things");
            is(((org.postgresql.util.PSQLException) error).getServerErrorMessage().getDetail().contains("\"caughtUpToRequestedPosition\":false"),
                true, "the detail");
        }
    }
}
