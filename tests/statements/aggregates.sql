-- the usual five
SELECT customer_id, count(*) AS n, sum(amount) AS total, min(amount) AS least, max(amount) AS most, round(avg(amount), 2) AS average FROM orders GROUP BY customer_id;

-- of nothing
-- key: n
SELECT count(*) AS n, sum(amount) AS total, max(id) AS last FROM orders WHERE amount < 0;

-- counts of values and of distinct ones
SELECT count(*) AS rows, count(amount) AS amounts, count(DISTINCT customer_id) AS customers, count(DISTINCT status) AS states FROM orders;

-- sum of distinct values
SELECT dept, sum(DISTINCT salary) AS total, count(DISTINCT salary) AS n FROM employees GROUP BY dept;

-- the average of integers
SELECT device, avg(humidity) AS humidity FROM readings GROUP BY device;

-- the average of floats
SELECT device, avg(temp) AS temp, sum(temp) AS total FROM readings GROUP BY device;

-- the average of decimals as it is
SELECT dept, avg(salary) AS salary FROM employees GROUP BY dept;
-- judge:
SELECT dept, trunc(avg(salary), 6) FROM employees GROUP BY dept;

-- counts by FILTER
SELECT customer_id, count(*) FILTER (WHERE status = 'paid') AS paid, count(*) FILTER (WHERE status <> 'paid') AS other FROM orders GROUP BY customer_id;

-- sums by CASE
SELECT sum(CASE WHEN status = 'paid' THEN amount ELSE 0 END) AS paid, sum(CASE WHEN status = 'placed' THEN 1 END) AS placed FROM orders;

-- a pivot by FILTER
SELECT date_trunc('month', placed_at) AS month, sum(amount) FILTER (WHERE customer_id = 1) AS ada, sum(amount) FILTER (WHERE customer_id = 2) AS bo FROM orders GROUP BY 1;

-- whether any and whether all
SELECT order_id, bool_or(ok) AS any, bool_and(ok) AS every, every(method = 'card') AS cards FROM payments GROUP BY order_id;

-- bool_or of a comparison
SELECT customer_id, bool_or(status = 'paid') AS has_paid, bool_and(amount > 10) AS all_big FROM orders GROUP BY customer_id;

-- lists in order
SELECT customer_id, array_agg(id ORDER BY placed_at DESC) AS ids FROM orders GROUP BY customer_id;

-- lists of distinct values
SELECT customer_id, array_agg(DISTINCT status ORDER BY status) AS states FROM orders GROUP BY customer_id;

-- lists with FILTER
SELECT category, array_agg(name ORDER BY name) FILTER (WHERE price > 10) AS dear FROM products GROUP BY category;

-- lists with NULLs
SELECT device, array_agg(temp ORDER BY id) AS temps FROM readings GROUP BY device;

-- a list of events in their order
SELECT visitor, array_agg(page) AS pages FROM shop.visit GROUP BY visitor;
-- judge:
SELECT visitor, array_agg(page ORDER BY _seq) FROM shop.visit GROUP BY visitor;

-- texts joined
SELECT dept, string_agg(name, ', ' ORDER BY name) AS names FROM employees GROUP BY dept;

-- texts joined in descending order
SELECT dept, string_agg(name, '/' ORDER BY salary DESC NULLS LAST, id) AS names FROM employees GROUP BY dept;

-- distinct texts joined
SELECT string_agg(DISTINCT city, ',' ORDER BY city) AS cities FROM customers;

-- texts joined of numbers
SELECT customer_id, string_agg(id::text, '-' ORDER BY id) AS ids FROM orders GROUP BY customer_id;

-- the median of floats by percentile_cont
SELECT device, percentile_cont(0.5) WITHIN GROUP (ORDER BY temp) AS middle FROM readings GROUP BY device;

-- a percentile of integers
SELECT percentile_cont(0.9) WITHIN GROUP (ORDER BY humidity) AS p90 FROM readings;

-- a discrete percentile
SELECT dept, percentile_disc(0.5) WITHIN GROUP (ORDER BY salary) AS middle FROM employees GROUP BY dept;

-- percentile_cont of decimals
SELECT dept, percentile_cont(0.5) WITHIN GROUP (ORDER BY salary) AS middle FROM employees GROUP BY dept;

-- several percentiles at once
SELECT device, percentile_disc(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY humidity) AS quartiles FROM readings GROUP BY device;

-- the most frequent
SELECT mode() WITHIN GROUP (ORDER BY status) AS status FROM orders;

-- the most frequent of each group
SELECT device, mode() WITHIN GROUP (ORDER BY humidity) AS humidity FROM readings GROUP BY device;

-- the median of DuckDB
-- engine: duckdb
SELECT dept, median(rating) AS middle FROM employees GROUP BY dept;

-- the value where another is greatest
-- engine: duckdb
SELECT dept, arg_max(name, rating) AS best, arg_min(name, hired) AS first FROM employees WHERE id <> 6 GROUP BY dept;

-- max_by and min_by
-- engine: duckdb
SELECT customer_id, max_by(id, placed_at) AS last, min_by(status, placed_at) AS first FROM orders GROUP BY customer_id;

-- first and last by an order
-- engine: duckdb
SELECT device, first(humidity ORDER BY stamp, id) AS first, last(temp ORDER BY stamp, id) AS last FROM readings WHERE temp IS NOT NULL AND humidity IS NOT NULL GROUP BY device;

-- any value of a constant column
SELECT customer_id, (array_agg(status ORDER BY id))[1] AS first FROM orders GROUP BY customer_id;

-- correlation
SELECT corr(temp, humidity) AS r, covar_pop(temp, humidity) AS p, covar_samp(temp, humidity) AS s FROM readings;

-- regression by device
SELECT device, regr_slope(temp, humidity) AS slope, regr_intercept(temp, humidity) AS intercept, regr_r2(temp, humidity) AS r2, regr_count(temp, humidity) AS n FROM readings GROUP BY device;

-- spread
SELECT dept, stddev(rating) AS s, stddev_pop(rating) AS sp, variance(rating) AS v, var_pop(rating) AS vp FROM employees GROUP BY dept;

-- spread of decimals
SELECT stddev_samp(amount)::float8 AS s, var_samp(amount)::float8 AS v FROM orders;

-- bits
SELECT bit_and(i) AS a, bit_or(i) AS o, bit_xor(i) AS x FROM numbers WHERE i > 0 AND i < 100;

-- min and max of texts, dates and times
SELECT min(name) AS a, max(born) AS b, min(signed_up) AS c, max(signed_up) AS d FROM customers;

-- the latest date of each room
SELECT room, max(leaves) AS until, max(leaves) - min(arrives) AS days FROM bookings GROUP BY room;

-- an aggregate within an expression
SELECT customer_id, sum(amount - coalesce(discount, 0)) AS net, 100 * sum(coalesce(discount, 0)) / sum(amount) > 1 AS big_discount FROM orders WHERE amount IS NOT NULL GROUP BY customer_id;

-- revenue by category
SELECT p.category, sum(i.qty * i.price) AS revenue, sum(i.qty) AS pieces FROM items i JOIN products p USING (sku) GROUP BY p.category;

-- groups by an expression
SELECT extract(year FROM hired) AS year, count(*) AS n FROM employees GROUP BY extract(year FROM hired);

-- groups by an alias
SELECT lower(left(name, 1)) AS initial, count(*) AS n FROM employees GROUP BY initial;

-- groups by a place
SELECT city, segment, count(*) FROM customers GROUP BY 1, 2;

-- GROUP BY ALL
-- engine: duckdb
SELECT status, customer_id, count(*) AS n FROM orders GROUP BY ALL;

-- columns that depend on the grouped key
SELECT c.id, c.name, count(o.id) AS orders FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id;

-- HAVING with an aggregate that is not selected
SELECT customer_id FROM orders GROUP BY customer_id HAVING count(*) > 1 AND max(amount) > 100;

-- HAVING with an alias
-- engine: duckdb
SELECT customer_id, count(*) AS n FROM orders GROUP BY customer_id HAVING n > 1;

-- HAVING without GROUP BY
-- key: n
SELECT count(*) AS n FROM orders HAVING count(*) > 5;

-- nobody below: NULL groups
SELECT dept, boss_id, count(*) AS n FROM employees GROUP BY dept, boss_id;

-- an average of sums
SELECT round(avg(total), 2) AS average FROM (SELECT customer_id, sum(amount) AS total FROM orders GROUP BY customer_id) t;

-- weighted average
SELECT symbol, round(sum(price * qty) / sum(qty), 4) AS vwap FROM trades GROUP BY symbol;

-- geometric mean
SELECT symbol, exp(avg(ln(price::float8))) AS g FROM trades GROUP BY symbol;

-- a histogram
-- refused: floor((x - low) / width)
SELECT width_bucket(amount, 0, 1000, 4) AS bucket, count(*) AS n FROM orders WHERE amount IS NOT NULL GROUP BY 1;

-- open, high, low and close
SELECT symbol, (array_agg(price ORDER BY stamp, id))[1] AS open, max(price) AS high, min(price) AS low, (array_agg(price ORDER BY stamp DESC, id DESC))[1] AS close FROM trades GROUP BY symbol;

-- count_if
-- engine: duckdb
SELECT device, count_if(temp > 20) AS warm, sum(CASE WHEN temp IS NULL THEN 1 ELSE 0 END) AS unknown FROM readings GROUP BY device;

-- sum of booleans as integers
SELECT sum(ok::int) AS fine, count(*) - sum(ok::int) AS not_fine FROM payments WHERE ok IS NOT NULL;

-- approximate counts
-- engine: duckdb
-- refused: count(DISTINCT x)
SELECT approx_count_distinct(customer_id) AS n FROM orders;

-- entropy-like product by logarithms
SELECT exp(sum(ln(qty::float8))) AS product FROM items;

-- list aggregates of DuckDB
-- engine: duckdb
SELECT dept, list(name ORDER BY name) AS names FROM employees GROUP BY dept;

-- a map of keys and values of DuckDB
-- engine: duckdb
SELECT category, map(list(sku ORDER BY sku), list(price ORDER BY sku)) AS prices FROM products GROUP BY category;

-- a struct with its aggregates of DuckDB
-- engine: duckdb
SELECT dept, {'n': count(*), 'best': max(rating)} AS stats FROM employees GROUP BY dept;
