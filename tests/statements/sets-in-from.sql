-- elements of a list
SELECT a.id, s FROM arrays a, unnest(a.ss) AS s WHERE a.id <> 4 AND (a.id <> 6 OR s <> 'a');

-- elements with their place
SELECT a.id, u.n, u.place FROM arrays a CROSS JOIN unnest(a.ns) WITH ORDINALITY AS u(n, place);

-- rows without elements stay
SELECT c.id, t.tag, t.place FROM customers c LEFT JOIN unnest(c.tags) WITH ORDINALITY AS t(tag, place) ON true;

-- tags counted
SELECT tag, count(*) AS n FROM customers, unnest(tags) AS tag GROUP BY tag;

-- unnest in SELECT
SELECT id, unnest(tags) AS tag FROM customers WHERE id <> 6;

-- two lists side by side
SELECT id, unnest(ns) AS n, unnest(ss) AS s FROM arrays WHERE id IN (1, 5);

-- unnest of two lists in FROM
SELECT a.id, u.n, u.s, u.place FROM arrays a, unnest(a.ns, a.ss) WITH ORDINALITY AS u(n, s, place);

-- a series for each row
-- reader refused: `generate_series` is not there for readers
SELECT i.order_id, i.line, g FROM items i, generate_series(1, i.qty) AS g;

-- a series that counts down
-- reader refused: `generate_series` is not there for readers
SELECT o.id, g.n FROM orders o, generate_series(3, 1, -1) AS g(n) WHERE o.amount > 300;

-- nights of a booking
-- reader refused: `generate_series` is not there for readers
SELECT b.id, b.room, CAST(night AS DATE) AS night
FROM bookings b, generate_series(CAST(b.arrives AS TIMESTAMP), CAST(b.leaves AS TIMESTAMP) - INTERVAL '1 day', INTERVAL '1 day') AS night;

-- a calendar with what there was on each day
-- reader refused: `generate_series` is not there for readers
SELECT CAST(d.day AS DATE) AS day, count(o.id) AS orders
FROM generate_series(TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-31', INTERVAL '1 day') AS d(day)
LEFT JOIN orders o ON CAST(o.placed_at AS DATE) = CAST(d.day AS DATE)
GROUP BY d.day;

-- occupied rooms a night over a calendar of dates
-- reader refused: `generate_series` is not there for readers
SELECT d::date AS night, count(b.id) AS occupied
FROM generate_series('2024-06-01'::timestamp, '2024-06-07'::timestamp, '1 day'::interval) AS d
LEFT JOIN bookings b ON b.arrives <= d::date AND d::date < b.leaves GROUP BY d;

-- months of a year with revenue
-- reader refused: `generate_series` is not there for readers
SELECT m.month, coalesce(sum(o.amount), 0) AS revenue
FROM generate_series(TIMESTAMP '2024-01-01', TIMESTAMP '2024-06-01', INTERVAL '1 month') AS m(month)
LEFT JOIN orders o ON o.placed_at >= m.month AND o.placed_at < m.month + INTERVAL '1 month'
GROUP BY m.month;

-- a lookup by VALUES
SELECT o.id, v.label FROM orders o JOIN (VALUES ('paid', 'bezahlt'), ('placed', 'offen')) AS v(status, label) ON v.status = o.status;

-- VALUES by their given names
SELECT o.id, v.column2 AS label FROM orders o LEFT JOIN (VALUES ('paid', 1), ('placed', 2)) AS v ON v.column1 = o.status;

-- a CTE of VALUES
WITH bands(name, low, high) AS (VALUES ('small', 0, 50), ('middle', 50, 200), ('large', 200, 100000))
SELECT b.name, count(o.id) AS n FROM bands b LEFT JOIN orders o ON o.amount >= b.low AND o.amount < b.high GROUP BY b.name;

-- words of a text
SELECT w.id, word FROM words w, string_to_table(w.s, ' ') AS word WHERE w.id IN (1, 8);

-- parts of a text by regexp
SELECT w.id, part FROM words w, regexp_split_to_table(w.s, '[-,]') AS part WHERE w.id IN (6, 7);

-- elements of JSON
SELECT d.id, e->>'sku' AS sku, CAST(e->>'qty' AS INTEGER) AS qty FROM docs d, jsonb_array_elements(d.body->'items') AS e;

-- texts of JSON lists
SELECT DISTINCT d.id, tag FROM docs d, jsonb_array_elements_text(d.body->'tags') AS tag;

-- JSON elements with their place
SELECT d.id, t.tag, t.n FROM docs d, jsonb_array_elements_text(d.body->'tags') WITH ORDINALITY AS t(tag, n);

-- keys of JSON
SELECT c.id, k FROM customers c, jsonb_object_keys(c.profile) AS k;

-- keys and values of JSON
SELECT c.id, e.key, e.value FROM customers c, jsonb_each(c.profile) AS e;

-- keys and texts of JSON
SELECT c.id, e.key, e.value FROM customers c, jsonb_each_text(c.profile) AS e(key, value);
-- judge:
SELECT c.id, e.key, replace(replace(e.value, ': ', ':'), ', ', ',') FROM customers c, jsonb_each_text(c.profile) AS e(key, value);

-- JSON as a record
SELECT c.id, r.lang, r.vip FROM customers c, jsonb_to_record(c.profile) AS r(lang text, vip boolean);

-- JSON as records
SELECT d.id, r.sku, r.qty FROM docs d, jsonb_to_recordset(d.body -> 'items') AS r(sku text, qty int);

-- elements of JSON as they are
SELECT d.id, e FROM docs d, jsonb_array_elements(d.body -> 'nested' -> 'deep' -> 'list') AS e;

-- how many elements satisfy a condition
SELECT a.id, (SELECT count(*) FROM unnest(a.ss) AS s WHERE s > 'a') AS n FROM arrays a;

-- text of sorted elements
SELECT a.id, (SELECT string_agg(s, '+' ORDER BY s) FROM unnest(a.ss) AS s) AS sorted FROM arrays a;

-- an element IN a list
SELECT c.id FROM customers c WHERE 'mail' IN (SELECT t FROM unnest(c.tags) AS t);

-- places of a list
-- reader refused: `generate_series` is not there for readers
SELECT a.id, i, a.ns[i] AS n FROM arrays a, generate_subscripts(a.ns, 1) AS i;

-- functions in SELECT that give rows
SELECT id, unnest(ARRAY[1, 2]) AS n FROM customers WHERE id < 3;

-- lateral series with a condition on it
-- reader refused: `generate_series` is not there for readers
SELECT o.id, d.n FROM orders o JOIN LATERAL generate_series(1, 3) AS d(n) ON d.n * 100 < o.amount;

-- a table function of the columns of two tables
-- reader refused: `generate_series` is not there for readers
SELECT o.id, c.id AS customer, g FROM orders o JOIN customers c ON c.id = o.customer_id, generate_series(c.id, 2) AS g;

-- list of ranges of DuckDB
-- reader refused: `range` is not there for readers
-- engine: duckdb
SELECT i.order_id, i.line, g FROM items i, LATERAL (SELECT unnest(range(i.qty)) AS g);

-- a calendar between bounds from a subquery, joined behind a comma
-- reader refused: `generate_series` is not there for readers
SELECT night::date AS night, count(b.id) AS taken
FROM (SELECT min(arrives) AS first, max(leaves) AS last FROM bookings) s, generate_series(s.first, s.last, interval '1 day') AS night
LEFT JOIN bookings b ON b.arrives <= night AND night < b.leaves GROUP BY 1;

-- a cast of a column without a name, ordered by it
-- reader refused: `generate_series` is not there for readers
SELECT night::date, count(b.id) AS taken
FROM generate_series('2024-06-01'::date, '2024-06-07', '1 day') AS night LEFT JOIN bookings b ON b.arrives <= night AND night < b.leaves
GROUP BY night ORDER BY night;

-- a series that is no row of its own in SELECT
-- refused: makes a row of each element
SELECT room, generate_series(arrives, leaves, interval '1 day')::date AS night FROM bookings;
