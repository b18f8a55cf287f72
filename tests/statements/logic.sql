-- AND, OR and NOT over NULLs
SELECT id, a AND b AS conj, a OR b AS disj, NOT a AS neg FROM flags;

-- IS TRUE and its kin
SELECT id, a IS TRUE AS t, a IS NOT TRUE AS nt, a IS FALSE AS f, a IS UNKNOWN AS u FROM flags;

-- IS DISTINCT FROM
SELECT id, a IS DISTINCT FROM b AS differs FROM flags;

-- IS DISTINCT FROM beside AND
SELECT id FROM flags WHERE a IS DISTINCT FROM b AND id > 3;

-- comparison of booleans
SELECT id FROM flags WHERE a = b OR a > b;

-- simple CASE
SELECT id, CASE status WHEN 'paid' THEN 1 WHEN 'placed' THEN 2 ELSE 0 END AS code FROM orders;

-- searched CASE without ELSE
SELECT id, CASE WHEN amount >= 100 THEN 'large' WHEN amount >= 20 THEN 'middle' END AS size FROM orders;

-- CASE guards a division
SELECT id, CASE WHEN j <> 0 THEN i / j END AS q FROM numbers WHERE id <> 7;

-- CASE in ORDER BY with a LIMIT
SELECT id FROM orders ORDER BY CASE WHEN status = 'paid' THEN 0 ELSE 1 END, id LIMIT 3;

-- CASE of integers and decimals
SELECT id, CASE WHEN id < 3 THEN i ELSE d END AS v FROM numbers WHERE id <> 7;

-- coalesce of columns
SELECT id, coalesce(amount, discount, 0) AS v, coalesce(note, 'none') AS note FROM orders;

-- nullif
SELECT id, nullif(note, '') AS note, 10 / nullif(id - 104, 0) AS q FROM orders;

-- greatest and least skip NULLs
SELECT id, greatest(i, j) AS g, least(i, j, 3) AS l FROM numbers;

-- NULL in IN
SELECT id, i IN (1, 2, NULL) AS is_in, i NOT IN (1, 2) AS is_not_in FROM numbers;

-- BETWEEN and its negation
SELECT id, i BETWEEN 0 AND 7 AS is_between, d NOT BETWEEN 0 AND 2.5 AS is_not FROM numbers;

-- IS NULL of a comparison
SELECT id, (i > j) IS NULL AS unknown, i = i AS same FROM numbers;

-- rows compared
SELECT id FROM numbers WHERE (i, j) < (7, 3);

-- rows are equal
SELECT a.id, b.id AS other FROM flags a JOIN flags b ON (a.a, a.b) = (b.b, b.a) AND a.id < b.id;

-- boolean in arithmetic by a cast
SELECT id, a::int + coalesce(b::int, 0) AS n FROM flags;

-- rows in a list of rows
SELECT id FROM flags WHERE (a, b) IN ((true, false), (false, NULL)) OR (id, a) NOT IN ((1, true), (2, false));

-- a condition as a column
SELECT id, amount > 50 AND status = 'paid' AS good, (amount > 50) = (status = 'paid') AS agree FROM orders;

-- WHERE of a boolean column
SELECT id FROM payments WHERE ok;

-- WHERE NOT of a nullable boolean
SELECT id FROM flags WHERE NOT (a AND b);

-- constant conditions
SELECT id FROM orders WHERE 1 = 1 AND true;

-- ifnull of DuckDB
-- engine: duckdb
SELECT id, ifnull(amount, 0) AS v, if(amount > 50, 'big', 'small') AS size FROM orders;
