-- grouping sets
SELECT city, segment, grouping(city, segment) AS g, count(*) AS n FROM customers GROUP BY GROUPING SETS ((city, segment), (city), ());

-- rollup of months and states
SELECT date_trunc('month', placed_at) AS month, status, sum(amount) AS total, count(*) AS n FROM orders GROUP BY ROLLUP (date_trunc('month', placed_at), status);

-- cube
SELECT dept, boss_id, grouping(dept) AS d, grouping(boss_id) AS b, count(*) AS n, max(salary) AS most FROM employees GROUP BY CUBE (dept, boss_id);

-- grouping tells totals from NULLs
SELECT city, grouping(city) AS is_total, count(*) AS n FROM customers GROUP BY ROLLUP (city);

-- grouping of two columns
SELECT city, segment, grouping(city, segment) AS g, count(*) AS n FROM customers GROUP BY CUBE (city, segment);

-- a label for totals
SELECT CASE WHEN grouping(category) = 1 THEN 'all' ELSE category END AS category, sum(price) AS total FROM products GROUP BY ROLLUP (category);

-- a column beside a rollup
SELECT status, customer_id, sum(amount) AS total FROM orders GROUP BY status, ROLLUP (customer_id);

-- HAVING over a rollup
SELECT customer_id, count(*) AS n FROM orders GROUP BY ROLLUP (customer_id) HAVING count(*) > 2;

-- only the totals
SELECT category, count(*) AS n FROM products GROUP BY GROUPING SETS ((category), ());

-- two rollups
SELECT city, segment, grouping(city) AS c, grouping(segment) AS s, count(*) AS n FROM customers GROUP BY ROLLUP (city), ROLLUP (segment);
