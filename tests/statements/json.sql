-- a member as JSON and as text
SELECT id, body -> 'name' AS j, body ->> 'name' AS t FROM docs;

-- a nested member
SELECT id, body -> 'nested' -> 'deep' -> 'list' AS list, body -> 'nested' ->> 'k' AS k FROM docs;

-- an element by its place and from the end
SELECT id, body -> 'tags' -> 0 AS first, body -> 'tags' ->> -1 AS last FROM docs;

-- a path
SELECT id, body #> '{nested,deep}' AS deep, body #>> '{nested,deep,list,1}' AS second FROM docs;

-- a condition on a member
SELECT id FROM docs WHERE body ->> 'name' = 'alpha' OR body ->> 'n' = '2';

-- a member as a number
SELECT id, (body ->> 'n')::numeric AS n FROM docs WHERE body ? 'n' AND body -> 'n' <> 'null';

-- a member as an integer in arithmetic
SELECT id, (profile ->> 'score')::numeric + 1 AS score FROM customers;

-- a member as a boolean
SELECT id FROM customers WHERE (profile ->> 'vip')::boolean;

-- containment
SELECT id FROM docs WHERE body @> '{"tags": ["y"]}';

-- containment of a nested object
SELECT id FROM customers WHERE profile @> '{"address": {"zip": "1010"}}';

-- contained in
SELECT id FROM docs WHERE body <@ '{"name": null, "a b": 1, "é": "ü", "quote": "say \"hi\"", "more": 1}';

-- a key exists
SELECT id, body ? 'tags' AS has_tags FROM docs;

-- any key exists
SELECT id FROM docs WHERE body ?| ARRAY['price', 'items'];

-- all keys exist
SELECT id FROM docs WHERE body ?& ARRAY['name', 'nested', 'on'];

-- an object is built
SELECT id, jsonb_build_object('id', id, 'name', name, 'tags', tags) AS o FROM customers;

-- an object is built of nested parts
SELECT id, jsonb_build_object('who', jsonb_build_object('name', name), 'list', jsonb_build_array(city, segment, NULL)) AS o FROM customers;

-- json_build_object with a time and a decimal
SELECT id, json_build_object('amount', amount, 'due', due) AS o FROM orders;

-- rows as JSON
SELECT sku, to_jsonb(price) AS p, to_jsonb(name) AS n FROM products;

-- a whole row as JSON
SELECT id, row_to_json(f) AS o FROM flags f;

-- all values as a JSON list
SELECT customer_id, jsonb_agg(id ORDER BY id) AS ids FROM orders GROUP BY customer_id;

-- a JSON list of objects
SELECT order_id, jsonb_agg(jsonb_build_object('sku', sku, 'qty', qty) ORDER BY line) AS lines FROM items GROUP BY order_id;

-- a JSON object of keys and values
SELECT category, jsonb_object_agg(sku, price ORDER BY sku) AS prices FROM products GROUP BY category;

-- json_agg with FILTER
SELECT customer_id, json_agg(amount ORDER BY id) FILTER (WHERE status = 'paid') AS paid FROM orders GROUP BY customer_id;

-- the type of JSON
SELECT id, jsonb_typeof(body) AS t, jsonb_typeof(body -> 'n') AS n FROM docs;

-- the length of a JSON list
SELECT id, jsonb_array_length(body -> 'tags') AS n FROM docs WHERE jsonb_typeof(body -> 'tags') = 'array';

-- JSON joined
SELECT id, profile || '{"seen": true}' AS p FROM customers WHERE profile IS NOT NULL;

-- a key taken away
SELECT id, profile - 'address' AS p FROM customers;

-- several keys taken away
SELECT id, profile - ARRAY['address', 'score'] AS p FROM customers;

-- a path taken away
SELECT id, body #- '{nested,deep}' AS b FROM docs WHERE jsonb_typeof(body) = 'object';

-- a member set
SELECT id, jsonb_set(profile, '{lang}', '"it"') AS p FROM customers WHERE profile IS NOT NULL;

-- a nested member set
SELECT id, jsonb_set(profile, '{address,city}', to_jsonb(city)) AS p FROM customers WHERE profile -> 'address' IS NOT NULL AND city IS NOT NULL;

-- nulls stripped
SELECT id, jsonb_strip_nulls(profile) AS p FROM customers;

-- a path by its parts
SELECT id, jsonb_extract_path(body, 'nested', 'deep', 'list') AS l, jsonb_extract_path_text(body, 'nested', 'k') AS k FROM docs;

-- elements in SELECT
SELECT id, jsonb_array_elements(body -> 'tags') AS tag FROM docs WHERE body ? 'tags' AND id <> 3;

-- sum over elements
SELECT d.id, sum((e ->> 'qty')::int) AS qty FROM docs d, jsonb_array_elements(d.body -> 'items') AS e GROUP BY d.id;

-- JSON joined to a table
SELECT d.id, p.name FROM docs d, jsonb_array_elements(d.body -> 'items') AS e, products p WHERE p.sku = e ->> 'sku';

-- grouped by a member
SELECT profile ->> 'lang' AS lang, count(*) AS n FROM customers GROUP BY profile ->> 'lang';

-- a member that is absent or null
SELECT id, body -> 'name' IS NULL AS absent, body ->> 'name' IS NULL AS no_text FROM docs;

-- coalesce of members
SELECT id, coalesce(profile ->> 'nick', name) AS nick FROM customers;

-- JSON as text
SELECT id, length((profile -> 'lang')::text) AS n, (profile -> 'lang')::text = '"de"' AS german FROM customers;

-- a text as JSON
SELECT id, ('{"id": ' || id || '}')::jsonb -> 'id' AS n FROM customers;

-- JSON compared
SELECT id FROM docs WHERE body -> 'n' = '1' OR body -> 'tags' = '[]';

-- a JSON path query
-- refused: `jsonb_path_query_first`: write `j #> '{a,b,0}'`
SELECT id, jsonb_path_query_first(body, '$.nested.deep.list[0]') AS first FROM docs;

-- a JSON path exists
-- refused: `jsonb_path_exists`: write `EXISTS (SELECT 1
SELECT id FROM docs WHERE jsonb_path_exists(body, '$.items[*] ? (@.qty > 1)');

-- a JSON path operator
-- refused: `@?`, which takes a path of SQL/JSON: write `EXISTS (SELECT 1
SELECT id FROM docs WHERE body @? '$.tags[*] ? (@ == "x")';

-- a key in DuckDB's spelling
-- engine: duckdb
SELECT id, json_extract_string(body, 'name') AS name FROM docs;

-- a path in DuckDB's spelling
-- engine: duckdb
-- refused: #>
SELECT id, body ->> '$.nested.k' AS k FROM docs;

-- keys as a list
SELECT id, ARRAY(SELECT jsonb_object_keys(profile) ORDER BY 1) AS keys FROM customers WHERE profile IS NOT NULL;

-- pretty JSON
-- refused: lays it out
SELECT id, jsonb_pretty(body -> 'tags') AS p FROM docs WHERE id = 2;

-- JSON of an array
SELECT id, to_json(ns) AS j, array_to_json(ss) AS s FROM arrays;

-- JSON with distinct elements
SELECT jsonb_agg(DISTINCT city ORDER BY city) AS cities FROM customers WHERE city IS NOT NULL;
