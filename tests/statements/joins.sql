-- orders with the names of their customers
SELECT o.id, c.name, o.amount FROM orders o JOIN customers c ON c.id = o.customer_id;

-- customers without orders stay in a left join
SELECT c.id, c.name, o.id AS order_id, o.status
FROM customers c LEFT JOIN orders o ON o.customer_id = c.id;

-- a right join keeps orders of nobody
SELECT c.name, o.id, o.amount FROM customers c RIGHT JOIN orders o ON o.customer_id = c.id;

-- a full join keeps both sides
SELECT c.id AS customer, o.id AS placed FROM customers c FULL OUTER JOIN orders o ON o.customer_id = c.id;

-- anti join by IS NULL
SELECT c.id, c.name FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE o.id IS NULL;

-- three tables in a chain of USING
SELECT order_id, i.line, p.name, i.qty, pay.id, pay.method
FROM items i JOIN products p USING (sku) JOIN payments pay USING (order_id);

-- USING over two columns
SELECT device, r.stamp, t.low FROM readings r JOIN (SELECT device, valid_from AS stamp, low FROM thresholds) t USING (device, stamp);

-- all columns of a join with USING
SELECT * FROM (SELECT sku, qty FROM items WHERE order_id = 110) i JOIN (SELECT sku, name FROM products) p USING (sku);

-- a full join with USING gives one column of both
SELECT order_id, a.amount AS paid, b.status
FROM (SELECT order_id, sum(amount) AS amount FROM payments WHERE ok GROUP BY order_id) a
FULL JOIN (SELECT id AS order_id, status FROM orders) b USING (order_id);

-- a left join then a full join with USING
SELECT id, b.dept, c.b AS flag
FROM (SELECT id FROM arrays) a LEFT JOIN employees b USING (id) FULL JOIN flags c USING (id);

-- natural join of two derived tables
SELECT * FROM (SELECT sku, price FROM products) a NATURAL JOIN (SELECT sku, sum(qty) AS sold FROM items GROUP BY sku) b;

-- natural left join
SELECT sku, name, sold FROM products NATURAL LEFT JOIN (SELECT sku, sum(qty) AS sold FROM items GROUP BY sku) b;

-- natural full join
SELECT sku, name, sold FROM products NATURAL FULL JOIN (SELECT sku, sum(qty) AS sold FROM items GROUP BY sku) b;

-- employees and their bosses
SELECT e.name, b.name AS boss FROM employees e LEFT JOIN employees b ON b.id = e.boss_id;

-- pairs of colleagues of one salary
SELECT a.name AS one, b.name AS other, a.salary
FROM employees a JOIN employees b ON a.salary = b.salary AND a.id < b.id;

-- a condition of the join beside its equality
SELECT c.id, o.id AS big FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND o.amount > 100;

-- a join by a range of dates
SELECT a.id, b.id AS other, a.room
FROM bookings a JOIN bookings b ON a.room = b.room AND a.id < b.id AND a.arrives < b.leaves AND b.arrives < a.leaves;

-- rooms that overlap in the words of the standard
SELECT a.id, b.id AS other FROM bookings a JOIN bookings b
ON a.room = b.room AND a.id < b.id AND (a.arrives, a.leaves) OVERLAPS (b.arrives, b.leaves);

-- every pair that a comparison lets through
SELECT a.id, b.id AS dearer FROM orders a JOIN orders b ON a.amount < b.amount WHERE a.status = 'paid' AND b.status = 'paid';

-- a full join on a comparison alone
SELECT a.id AS one, b.id AS other FROM numbers a FULL JOIN numbers b ON a.i < b.j AND a.id = b.id + 1;

-- cross join with a filter
SELECT c.id, p.sku FROM customers c CROSS JOIN products p WHERE p.price < 10;

-- comma in FROM
SELECT o.id, i.line, c.name, p.name AS product FROM customers c, orders o, items i, products p
WHERE c.id = o.customer_id AND o.id = i.order_id AND i.sku = p.sku;

-- a join on an expression of each side
SELECT c.name, w.s FROM customers c JOIN words w ON lower(c.city) = lower(w.t) OR length(c.name) = length(w.s);

-- equality that takes NULLs for equal
SELECT a.id, b.id AS other FROM flags a JOIN flags b ON a.a IS NOT DISTINCT FROM b.b AND a.id <= b.id;

-- semi join by IN
SELECT id, name FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE status = 'paid');

-- semi join of pairs
SELECT order_id, line FROM items WHERE (sku, price) IN (SELECT sku, price FROM products);

-- names that several tables have
SELECT o.id, i.line, p.name, c.name FROM orders o
JOIN items i ON i.order_id = o.id JOIN products p ON p.sku = i.sku JOIN customers c ON c.id = o.customer_id;

-- SELECT star of a join with columns of one name
SELECT * FROM (SELECT id, name FROM customers) c JOIN (SELECT id, customer_id FROM orders) o ON o.customer_id = c.id;

-- one table of a join as a whole
SELECT o.*, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.amount > 50;

-- a parenthesised join
SELECT c.id, x.id AS paid, y.id AS payment FROM customers c LEFT JOIN (orders x JOIN payments y ON y.order_id = x.id AND y.ok) ON x.customer_id = c.id;

-- join of aggregates by their groups
SELECT a.customer_id, a.placed, b.paid
FROM (SELECT customer_id, count(*) AS placed FROM orders GROUP BY customer_id) a
LEFT JOIN (SELECT o.customer_id, sum(p.amount) AS paid FROM orders o JOIN payments p ON p.order_id = o.id WHERE p.ok GROUP BY o.customer_id) b
ON a.customer_id = b.customer_id;
