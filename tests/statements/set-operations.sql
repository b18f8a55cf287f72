-- UNION of two tables
SELECT city AS place FROM customers UNION SELECT room FROM bookings;

-- UNION ALL with its source
SELECT 'order' AS kind, id, amount FROM orders UNION ALL SELECT 'payment', id, amount FROM payments;

-- rows that repeat in UNION ALL
SELECT customer_id FROM orders UNION ALL SELECT id FROM customers;

-- UNION of different types
SELECT id::numeric AS n FROM customers UNION SELECT amount FROM orders WHERE amount < 20;

-- UNION with an integer and a decimal
SELECT qty AS n FROM trades UNION SELECT bid FROM quotes;

-- EXCEPT
SELECT id FROM customers EXCEPT SELECT customer_id FROM orders;

-- INTERSECT
SELECT id FROM customers INTERSECT SELECT customer_id FROM orders WHERE status = 'paid';

-- EXCEPT ALL
SELECT customer_id FROM orders EXCEPT ALL SELECT id FROM customers;

-- INTERSECT ALL
SELECT customer_id FROM orders INTERSECT ALL SELECT referred_by FROM customers;

-- INTERSECT binds tighter than UNION
SELECT id FROM flags UNION SELECT id FROM numbers INTERSECT SELECT id FROM words;

-- set operations in parentheses
(SELECT id FROM flags UNION SELECT id FROM numbers) EXCEPT (SELECT id FROM words WHERE s IS NOT NULL);

-- the rows of one that the other lacks, with NULLs
SELECT dept FROM employees EXCEPT SELECT 'sales';

-- UNION of ordered parts
(SELECT id, amount FROM orders ORDER BY amount DESC NULLS LAST, id LIMIT 2) UNION ALL (SELECT id, amount FROM orders ORDER BY amount, id LIMIT 2);

-- UNION BY NAME
-- engine: duckdb
SELECT id, city FROM customers UNION ALL BY NAME SELECT room AS city, id + 100 AS id FROM bookings;

-- a UNION that is grouped
SELECT kind, count(*) AS n FROM (SELECT 'a' AS kind, id FROM arrays UNION ALL SELECT 'b', id FROM flags UNION ALL SELECT 'a', id FROM docs) t GROUP BY kind;

-- a UNION in a CTE, joined
WITH moves AS (SELECT order_id, amount FROM payments WHERE ok UNION ALL SELECT id, -amount FROM orders WHERE amount IS NOT NULL)
SELECT order_id, sum(amount) AS balance FROM moves GROUP BY order_id;

-- DISTINCT over UNION ALL
SELECT DISTINCT place FROM (SELECT city AS place FROM customers UNION ALL SELECT segment FROM customers) t;

-- UNION with VALUES
SELECT sku, price FROM products WHERE price < 5 UNION ALL VALUES ('X-1', 1.00), ('X-2', 2.00);
