-- customers who ever paid, by EXISTS
SELECT id, name FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.status = 'paid');

-- customers who never ordered, by NOT EXISTS
SELECT name FROM customers c WHERE NOT EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id);

-- NOT IN over a column with NULLs gives nothing
-- key: id
SELECT id FROM customers WHERE id NOT IN (SELECT customer_id FROM orders);

-- NOT IN over a column without NULLs
SELECT id FROM customers WHERE id NOT IN (SELECT customer_id FROM orders WHERE customer_id IS NOT NULL);

-- EXISTS as a column
SELECT id, EXISTS (SELECT 1 FROM payments p WHERE p.order_id = o.id AND p.ok) AS has_paid FROM orders o;

-- IN as a column is unknown beside NULLs
SELECT id, customer_id IN (SELECT referred_by FROM customers) AS refers FROM orders;

-- a scalar subquery in SELECT
SELECT c.id, (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) AS orders FROM customers c;

-- a scalar subquery over everything
SELECT id, amount, amount - (SELECT avg(amount) FROM orders) > 0 AS above FROM orders;

-- the row with the greatest amount
SELECT id, amount FROM orders WHERE amount = (SELECT max(amount) FROM orders);

-- above the average of its group
SELECT e.id, e.name FROM employees e WHERE e.salary > (SELECT avg(x.salary) FROM employees x WHERE x.dept = e.dept);

-- the newest row of another table, by LIMIT 1
SELECT o.id, (SELECT p.method FROM payments p WHERE p.order_id = o.id ORDER BY p.paid_at DESC LIMIT 1) AS last_method FROM orders o;

-- correlated by a comparison
SELECT o.id, (SELECT count(*) FROM orders x WHERE x.placed_at < o.placed_at) AS before FROM orders o;

-- greater than all
SELECT sku, price FROM products WHERE price >= ALL (SELECT price FROM products);

-- greater than any
SELECT sku FROM products WHERE price > ANY (SELECT cost FROM products WHERE category = 'office');

-- equal to SOME
SELECT id FROM orders WHERE customer_id = SOME (SELECT id FROM customers WHERE city = 'Wien');

-- EXISTS or something else
SELECT id FROM orders o WHERE amount > 500 OR EXISTS (SELECT 1 FROM items i WHERE i.order_id = o.id AND i.qty > 4);

-- CASE over EXISTS
SELECT id, CASE WHEN EXISTS (SELECT 1 FROM payments p WHERE p.order_id = o.id) THEN 'seen' ELSE 'open' END AS state FROM orders o;

-- a subquery in HAVING
SELECT customer_id, sum(amount) AS total FROM orders GROUP BY customer_id
HAVING sum(amount) > (SELECT avg(amount) FROM orders);

-- a subquery in a subquery
SELECT name FROM customers WHERE id IN (
  SELECT customer_id FROM orders WHERE id IN (SELECT order_id FROM items WHERE sku IN (SELECT sku FROM products WHERE category = 'office')));

-- a subquery in FROM with a name for its columns
SELECT t.who, t.n FROM (SELECT customer_id, count(*) FROM orders GROUP BY customer_id) AS t(who, n) WHERE t.n > 1;

-- an array of a subquery
SELECT o.id, ARRAY(SELECT i.sku FROM items i WHERE i.order_id = o.id ORDER BY i.line) AS skus FROM orders o;

-- difference to the total of all
SELECT id, round(100 * amount / (SELECT sum(amount) FROM orders), 2) AS share FROM orders;

-- lateral with a count
SELECT c.id, x.n FROM customers c, LATERAL (SELECT count(*) AS n FROM orders o WHERE o.customer_id = c.id AND o.amount > 20) x;

-- lateral top two of each
SELECT c.id, x.id AS order_id, x.amount FROM customers c
CROSS JOIN LATERAL (SELECT o.id, o.amount FROM orders o WHERE o.customer_id = c.id ORDER BY o.amount DESC NULLS LAST, o.id LIMIT 2) x;

-- left lateral keeps those without
SELECT c.id, x.method FROM customers c
LEFT JOIN LATERAL (SELECT p.method FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.customer_id = c.id ORDER BY p.id LIMIT 1) x ON true;

-- lateral columns computed once and used twice
SELECT i.order_id, i.line, x.total, y.taxed
FROM items i, LATERAL (SELECT i.qty * i.price AS total) x, LATERAL (SELECT x.total * 1.2 AS taxed) y;

-- lateral VALUES unpivots columns
SELECT o.id, v.what, v.value FROM orders o, LATERAL (VALUES ('amount', o.amount), ('discount', o.discount)) AS v(what, value);

-- lateral aggregate over a range
SELECT b.id, x.n AS others FROM bookings b, LATERAL (SELECT count(*) AS n FROM bookings x WHERE x.arrives BETWEEN b.arrives AND b.leaves AND x.id <> b.id) x;

-- lateral over unnested elements
SELECT a.id, x.total FROM arrays a, LATERAL (SELECT sum(n) AS total FROM unnest(a.ns) AS n) x;

-- nobody is greater
SELECT p.sku FROM products p WHERE NOT EXISTS (SELECT 1 FROM products q WHERE q.category = p.category AND q.price > p.price);

-- pairs that are not among others
SELECT order_id, line FROM items WHERE (sku, price) NOT IN (SELECT sku, price FROM products WHERE category = 'home');

-- IN a list of values
SELECT id, status FROM orders WHERE status IN ('paid', 'cancelled') AND customer_id NOT IN (2, 3);
