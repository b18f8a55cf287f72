-- the three greatest
SELECT id, amount FROM orders ORDER BY amount DESC NULLS LAST, id LIMIT 3;

-- the three least with NULLs first
SELECT id, amount FROM orders ORDER BY amount NULLS FIRST, id LIMIT 3;

-- FETCH FIRST n ROWS ONLY
SELECT id, salary FROM employees ORDER BY salary DESC NULLS LAST, id FETCH FIRST 3 ROWS ONLY;

-- FETCH FIRST with ties
SELECT id, salary FROM employees WHERE salary IS NOT NULL ORDER BY salary DESC FETCH FIRST 3 ROWS WITH TIES;

-- FETCH NEXT ROW
SELECT id FROM bookings ORDER BY arrives, id FETCH NEXT ROW ONLY;

-- a page by OFFSET and LIMIT
SELECT id, placed_at FROM orders ORDER BY placed_at, id LIMIT 3 OFFSET 2;

-- a page by OFFSET and FETCH
SELECT id FROM orders ORDER BY id OFFSET 4 ROWS FETCH NEXT 2 ROWS ONLY;

-- OFFSET alone
-- refused: add a LIMIT
SELECT id FROM orders ORDER BY id OFFSET 5;

-- the newest order of each customer, by DISTINCT ON
SELECT DISTINCT ON (customer_id) customer_id, id, placed_at FROM orders ORDER BY customer_id, placed_at DESC, id;

-- DISTINCT ON two columns
SELECT DISTINCT ON (room, guest) room, guest, arrives FROM bookings ORDER BY room, guest, arrives DESC;

-- DISTINCT ON an expression
SELECT DISTINCT ON (date_trunc('month', placed_at)) id, placed_at FROM orders ORDER BY date_trunc('month', placed_at), amount DESC NULLS LAST, id;

-- DISTINCT of several columns
SELECT DISTINCT city, segment FROM customers;

-- DISTINCT of an expression
SELECT DISTINCT amount > 50 AS big, status FROM orders;

-- the newest event of each visitor
SELECT DISTINCT ON (visitor) visitor, page, ms FROM shop.visit ORDER BY visitor, _time DESC, _seq DESC;

-- the top of each group by row_number
SELECT dept, name, salary FROM (
  SELECT dept, name, salary, row_number() OVER (PARTITION BY dept ORDER BY salary DESC NULLS LAST, id) AS place FROM employees) ranked
WHERE place <= 2;

-- the top of each group by QUALIFY
-- engine: duckdb
SELECT dept, name, salary FROM employees
QUALIFY row_number() OVER (PARTITION BY dept ORDER BY salary DESC NULLS LAST, id) = 1;

-- ordered by a place in the list
SELECT status, count(*) AS n FROM orders GROUP BY status ORDER BY 2 DESC, 1 LIMIT 2;

-- ordered by an alias
SELECT id, qty * price AS total FROM (SELECT order_id * 10 + line AS id, qty, price FROM items) i ORDER BY total DESC NULLS LAST, id LIMIT 4;

-- LIMIT within a subquery that is aggregated
SELECT sum(amount) AS total FROM (SELECT amount FROM orders WHERE amount IS NOT NULL ORDER BY amount DESC LIMIT 3) t;

-- LIMIT ALL
SELECT id FROM bookings LIMIT ALL;

-- a sample
-- refused: WHERE _seq
SELECT id FROM orders TABLESAMPLE BERNOULLI (100);
