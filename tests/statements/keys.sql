-- a key that the query proves
SELECT id, name FROM customers;

-- a key that is named
-- key: id
SELECT id, status || '!' AS loud FROM orders;

-- a key of two columns
-- key: order_id, line
SELECT order_id, line, qty FROM items;

-- a table of one row
-- key: n
SELECT count(*) AS n FROM customers;

-- groups by a column that is not selected
-- key: n
SELECT count(*) AS n FROM orders WHERE status = 'paid';

-- columns without names
SELECT id, upper(name), length(name) FROM customers;

-- quoted names
SELECT id AS "Id", name AS "full name" FROM customers;

-- names in other cases
SELECT ID, Name, CITY FROM Customers;

-- a name that is a word of SQL
SELECT id, name AS "order", city AS "select" FROM customers;

-- the same column twice
SELECT id, name, name AS again FROM customers;

-- constants beside columns
SELECT id, 1 AS one, 'x' AS x, NULL AS nothing, true AS yes FROM flags;

-- everything of a table
SELECT * FROM employees;

-- everything of a table by its alias
SELECT e.* FROM employees AS e WHERE e.dept = 'tech';

-- a comment and a line break within
SELECT id, /* the name */ name
FROM customers
WHERE city IS NOT NULL
ORDER BY name;

-- events with their metadata
SELECT _seq, visitor, page FROM shop.visit;

-- an alias with AS left out
SELECT c.id cid, c.name nm FROM customers c;

-- schema and table in a column's name
SELECT shop.visit._seq, shop.visit.page FROM shop.visit WHERE shop.visit.ms > 100;

-- rows that are equal in all columns
SELECT visitor, page FROM shop.visit;

-- a status of few values repeated
SELECT status FROM orders;
