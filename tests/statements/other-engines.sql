-- order by bytes
SELECT id, name COLLATE "C" AS name, name || coalesce(city, '') COLLATE "C" > 'M' AS late FROM customers ORDER BY name COLLATE "C", id LIMIT 4;

-- a text of the national character set
SELECT id, N'n°' || name AS t FROM customers;

-- all of several patterns
SELECT id, name LIKE ALL (ARRAY['%a%', '%d%']) AS both, name NOT ILIKE ALL (ARRAY['a%', 'b%']) AS neither, email LIKE ALL (ARRAY['%@%', NULL]) AS known FROM customers;

-- any of several regular expressions
SELECT id, name ~ ANY (ARRAY['^A', 'o$']) AS any, name ~* ALL (ARRAY['a', 'd']) AS each, email !~ ALL (ARRAY['x', NULL]) AS known, city ~~ ANY (ARRAY['B%', '%n']) AS like_any FROM customers;

-- no patterns at all
SELECT id, name ~ ANY (ARRAY[]::text[]) AS any, name ~ ALL (ARRAY[]::text[]) AS each FROM customers;

-- any of the regular expressions that a query gives
SELECT id, name ~ ANY (SELECT '^' || left(name, 2) FROM employees) AS like_one, name !~~ ALL (SELECT left(name, 1) || '%' FROM employees WHERE dept IS NOT NULL) AS unlike_each FROM customers;

-- the bits of a number turned over
SELECT id, ~qty AS turned, ~qty + 1 AS next, ~qty * 2 - 1 AS third, ~qty = -4 AS is, ~ -1 AS none FROM trades;

-- intervals with their fields behind them
SELECT id, stamp + INTERVAL '1 02:03:04' DAY TO SECOND AS a, stamp + INTERVAL '1-2' YEAR TO MONTH AS b, stamp - INTERVAL '02:03:04.5' HOUR TO SECOND AS c, stamp + INTERVAL '-1 02:00' DAY TO SECOND AS d FROM trades;

-- a length that is taken off
SELECT id, stamp + -INTERVAL '1-6' YEAR TO MONTH AS a, stamp + (-INTERVAL '1 day 02:30') AS b, stamp + -INTERVAL '1 02:30' AS c, stamp - -INTERVAL '1 month -2 days' AS d FROM trades;

-- intervals of years and months, and of days and hours, in one text
SELECT id, stamp + '2-3'::interval AS a, stamp + '3 04:05'::interval AS b FROM trades;

-- so many days
-- engine: duckdb
SELECT id, stamp + INTERVAL (qty) DAY AS later, stamp - INTERVAL (qty * 2) MINUTE AS sooner, stamp + INTERVAL (price) DAY AS whole, stamp + INTERVAL (qty / 2.0) SECOND AS parts FROM trades;

-- LISTAGG of the standard
SELECT dept, listagg(name, ', ') WITHIN GROUP (ORDER BY name DESC) AS names FROM employees GROUP BY dept;
-- judge:
SELECT dept, string_agg(name, ', ' ORDER BY name DESC) FROM employees GROUP BY dept;

-- rows that have a partner
-- engine: duckdb
SELECT c.id, c.name FROM customers c SEMI JOIN orders o ON o.customer_id = c.id AND o.amount > 20;

-- rows that have none
-- engine: duckdb
SELECT id, name FROM customers c ANTI JOIN (SELECT customer_id AS id FROM orders) o USING (id);

-- JSON with VALUE
SELECT id, json_object('id' VALUE id, 'city' VALUE city NULL ON NULL) AS j FROM customers;
-- judge:
SELECT id, json_build_object('id', id, 'city', city) FROM customers;

-- a sum for each of several values
-- engine: duckdb
-- refused: write `sum(x) FILTER (WHERE kind = 'a') AS a` for each column
SELECT * FROM (SELECT order_id, method, amount FROM payments) PIVOT (sum(amount) FOR method IN ('card', 'cash'));
