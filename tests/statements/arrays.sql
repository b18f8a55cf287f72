-- an element and one beyond
SELECT id, ns[1] AS first, ns[10] AS none, ss[2] AS second FROM arrays;

-- a slice
SELECT id, ns[2:3] AS middle FROM arrays;

-- slices without a bound
SELECT id, ns[:2] AS two, ns[2:] AS rest FROM arrays;

-- the last of DuckDB
-- engine: duckdb
SELECT id, ns[-1] AS last FROM arrays;

-- lengths of arrays
SELECT id, array_length(ns, 1) AS n, cardinality(ss) AS c FROM arrays;

-- ANY of an array
SELECT id FROM arrays WHERE 2 = ANY (ns);

-- ALL of an array
SELECT id FROM arrays WHERE 0 < ALL (ns);

-- a column in an array of constants
SELECT id FROM orders WHERE status = ANY (ARRAY['paid', 'cancelled']);

-- containment of arrays
SELECT id FROM arrays WHERE ss @> ARRAY['a'];

-- contained in an array
SELECT id FROM arrays WHERE ns <@ ARRAY[1, 2, 3, 4]::bigint[];

-- arrays overlap
SELECT id FROM arrays WHERE ss && ARRAY['solo', 'b'];

-- arrays joined
SELECT id, ns || ARRAY[7, 8]::bigint[] AS j, array_append(ns, 9) AS a, array_prepend(0, ns) AS p, array_cat(ns, ns) AS c FROM arrays;

-- an element joined to an array
SELECT id, ss || 'end'::text AS e, 'start'::text || ss AS s FROM arrays;

-- positions in an array
SELECT id, array_position(ss, 'a') AS p, array_positions(ss, 'a') AS all FROM arrays;

-- elements removed and replaced
SELECT id, array_remove(ns, 2) AS r, array_replace(ss, 'a', 'A') AS s FROM arrays;

-- an array becomes text
SELECT id, array_to_string(ns, ',') AS a, array_to_string(ss, '-', '*') AS b FROM arrays;

-- arrays written out
SELECT id, ARRAY[id, id + 1] AS a, ARRAY['x', s] AS b, ARRAY[]::int[] AS e FROM words;

-- arrays compared
SELECT a.id, b.id AS other FROM arrays a JOIN arrays b ON a.ns < b.ns;

-- arrays are equal
SELECT id FROM arrays WHERE ns = ARRAY[1, 2, 3]::bigint[] OR ss = ARRAY['solo'];

-- is the array empty
SELECT id, cardinality(ns) = 0 AS is_empty, coalesce(array_length(ns, 1), 0) AS n FROM arrays;

-- the sum of elements
SELECT id, (SELECT sum(n) FROM unnest(ns) AS n) AS total, (SELECT max(n) FROM unnest(ns) AS n) AS most FROM arrays;

-- sorted without duplicates
SELECT id, (SELECT array_agg(DISTINCT s ORDER BY s) FROM unnest(ss) AS s) AS sorted FROM arrays;

-- groups by an array
SELECT tags, count(*) AS n FROM customers GROUP BY tags;

-- array dimensions
SELECT id, array_ndims(ns) AS n, array_upper(ns, 1) AS u FROM arrays WHERE ns <> ARRAY[]::bigint[];

-- array_fill
-- reader refused: `array_repeat` is not there for readers
SELECT id, array_fill(0, ARRAY[3]) AS z FROM flags WHERE id = 1;

-- a list literal of DuckDB
-- engine: duckdb
SELECT id, [id, id * 2] AS l, list_value('a', s) AS v FROM words;

-- list functions of DuckDB
-- engine: duckdb
SELECT id, list_contains(ns, 2) AS c, list_sort(ns) AS s, list_sort(list_distinct(ss)) AS d, len(ns) AS n FROM arrays WHERE id <> 4;

-- lambdas of DuckDB
-- engine: duckdb
SELECT id, list_transform(ns, x -> x + 1) AS t, list_filter(ns, x -> x > 1) AS f FROM arrays;
-- judge:
SELECT id, list_transform(ns, lambda x: x + 1), list_filter(ns, lambda x: x > 1) FROM arrays;

-- list aggregates over elements of DuckDB
-- engine: duckdb
SELECT id, list_sum(ns) AS s, list_max(ns) AS m, list_avg(ns) AS a FROM arrays;

-- a struct of DuckDB
-- engine: duckdb
SELECT id, {'name': name, 'price': price} AS s FROM (SELECT sku AS id, name, price FROM products);

-- a field of a struct of DuckDB
-- engine: duckdb
SELECT sku, s.name AS n, s['price'] AS p FROM (SELECT sku, {'name': name, 'price': price} AS s FROM products);

-- a map of DuckDB
-- engine: duckdb
SELECT id, MAP {'a': id, 'b': id * 2} AS m, MAP {'a': id}['a'] AS v FROM flags;

-- range and flatten of DuckDB
-- engine: duckdb
SELECT id, flatten([ns, ns]) AS f FROM arrays WHERE ns IS NOT NULL;
