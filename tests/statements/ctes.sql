-- one CTE
WITH paid AS (SELECT * FROM orders WHERE status = 'paid') SELECT customer_id, sum(amount) AS total FROM paid GROUP BY customer_id;

-- CTEs over each other
WITH a AS (SELECT customer_id, sum(amount) AS total FROM orders GROUP BY customer_id),
     b AS (SELECT avg(total) AS average FROM a)
SELECT a.customer_id, a.total FROM a, b WHERE a.total > b.average;

-- a CTE that is used twice
WITH t AS (SELECT customer_id, count(*) AS n FROM orders GROUP BY customer_id)
SELECT x.customer_id, y.customer_id AS other FROM t x JOIN t y ON x.n = y.n AND x.customer_id < y.customer_id;

-- a CTE with names of its columns
WITH totals(who, total) AS (SELECT customer_id, sum(amount) FROM orders GROUP BY customer_id) SELECT who, total FROM totals WHERE total > 50;

-- MATERIALIZED
WITH t AS MATERIALIZED (SELECT id, amount FROM orders WHERE amount > 50) SELECT count(*) AS n, sum(amount) AS total FROM t;

-- a CTE in a subquery
SELECT id FROM orders WHERE customer_id IN (WITH w AS (SELECT id FROM customers WHERE city = 'Wien') SELECT id FROM w);

-- a CTE hides a table
WITH orders AS (SELECT id, amount FROM orders WHERE amount > 100) SELECT id FROM orders;

-- levels of employees, unrolled
SELECT e.id, e.name, CASE WHEN e.boss_id IS NULL THEN 0 WHEN b.boss_id IS NULL THEN 1 ELSE 2 END AS level FROM employees e LEFT JOIN employees b ON b.id = e.boss_id;

-- levels of employees by recursion
-- refused: unroll
WITH RECURSIVE chain AS (
  SELECT id, name, 0 AS level FROM employees WHERE boss_id IS NULL
  UNION ALL SELECT e.id, e.name, c.level + 1 FROM employees e JOIN chain c ON e.boss_id = c.id)
SELECT id, name, level FROM chain;

-- a funnel
WITH steps AS (SELECT visitor, max(CASE WHEN page = '/' THEN 1 ELSE 0 END) AS home, max(CASE WHEN page = '/cart' THEN 1 ELSE 0 END) AS cart, max(CASE WHEN page = '/pay' THEN 1 ELSE 0 END) AS pay FROM shop.visit GROUP BY visitor)
SELECT sum(home) AS home, sum(cart) AS cart, sum(pay) AS pay FROM steps;

-- deduplication by all columns
SELECT DISTINCT visitor, page, ms FROM shop.visit;

-- the state of each key as of its newest event
SELECT id, status FROM (SELECT id, status, row_number() OVER (PARTITION BY id ORDER BY _seq DESC) AS n FROM shop.order_placed) t WHERE n = 1;

-- changes of a status with what was before
SELECT id, status, earlier FROM (SELECT id, _seq, status, lag(status) OVER (PARTITION BY id ORDER BY _seq) AS earlier FROM shop.order_placed) t WHERE earlier IS NOT NULL AND earlier <> status;

-- events that wait for another
SELECT o.id FROM shop.order_placed o LEFT JOIN shop.payment p ON p.order_id = o.id WHERE p.id IS NULL GROUP BY o.id;

-- a cohort by month of sign-up
SELECT date_trunc('month', c.signed_up) AS cohort, count(DISTINCT c.id) AS customers, count(DISTINCT o.customer_id) AS buyers FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY 1;

-- inventory by signed movements
SELECT sku, sum(delta) AS stock FROM (SELECT sku, 100 AS delta FROM products UNION ALL SELECT sku, -qty FROM items) m GROUP BY sku;

-- SELECT without some columns
-- engine: duckdb
SELECT * EXCLUDE (profile, tags) FROM customers;

-- SELECT with a column replaced
-- engine: duckdb
SELECT * REPLACE (upper(name) AS name) FROM products;

-- FROM first
-- engine: duckdb
FROM flags SELECT id, a AND b AS both;
