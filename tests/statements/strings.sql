-- joined by bars
SELECT id, name || ' of ' || coalesce(city, '?') AS t FROM customers;

-- concat takes NULLs for nothing
SELECT id, concat(name, '/', city, '/', segment) AS t FROM customers;

-- concat_ws
SELECT id, concat_ws(', ', city, segment, email) AS t FROM customers;

-- a number joined to a text
SELECT id, 'order ' || id || ': ' || amount AS t FROM orders;

-- upper, lower and initcap
SELECT id, upper(s) AS u, lower(s) AS l, initcap(s) AS i FROM words WHERE id <> 3;

-- lengths
SELECT id, length(s) AS n, char_length(s) AS c, octet_length(s) AS b FROM words;

-- trimmed
SELECT id, trim(s) AS t, ltrim(s) AS l, rtrim(s) AS r, btrim(s, ' a') AS b FROM words;

-- trimmed in the words of the standard
SELECT id, trim(BOTH 'a' FROM s) AS b, trim(LEADING ' ' FROM s) AS l, trim(TRAILING 'o' FROM s) AS t FROM words;

-- parts by place
SELECT id, substring(s FROM 2 FOR 3) AS a, substr(s, 3) AS b, left(s, 2) AS l, right(s, 2) AS r FROM words;

-- left and right with negative counts
SELECT id, left(s, -2) AS l, right(s, -2) AS r FROM words;

-- a start before the text
SELECT id, substr(s, 0, 3) AS a, substr(s, -1, 4) AS b FROM words;

-- filled to a length
SELECT id, lpad(id::text, 5, '0') AS l, rpad(s, 4, '*') AS r FROM words;

-- replaced
SELECT id, replace(s, 'a', 'A') AS r, translate(s, 'abc', 'xy') AS t FROM words;

-- positions
SELECT id, position('o' IN s) AS p, strpos(s, t) AS q FROM words;

-- split
SELECT id, split_part(s, ',', 2) AS second, split_part(s, '-', -1) AS last FROM words;

-- split to a list
SELECT id, string_to_array(s, ',') AS parts FROM words;

-- split with a text for NULL
SELECT id, string_to_array(s, ',', '') AS parts FROM words;

-- reversed and repeated
-- reader refused: `repeat` is not there for readers
SELECT id, reverse(s) AS r, repeat(t, 3) AS three FROM words;

-- LIKE
SELECT id FROM words WHERE s LIKE '%o%' OR s LIKE 'a__';

-- LIKE with an escape
SELECT id FROM words WHERE s LIKE '%\%%' OR s LIKE '%!_%' ESCAPE '!';

-- ILIKE
SELECT id FROM words WHERE s ILIKE 'HELLO%' OR s NOT ILIKE '%a%';

-- LIKE any of several
SELECT id FROM words WHERE s LIKE ANY (ARRAY['%fox', 'foo%']);

-- SIMILAR TO
SELECT id FROM words WHERE s SIMILAR TO '(a|f)%';

-- SIMILAR TO with brackets, an escape character, and points that stand for themselves
SELECT id, s SIMILAR TO '[a-m]%' AS a, s NOT SIMILAR TO '%!%%' ESCAPE '!' AS b, s SIMILAR TO 'a.c' AS c, s SIMILAR TO '[a-z]+' AS d, s SIMILAR TO 'fo{2}_*' AS e FROM words;

-- starts with
SELECT id, starts_with(s, 'foo') AS a, s ^@ 'abc' AS b FROM words;

-- a regular expression matches
SELECT id FROM words WHERE s ~ '^[a-z]+[-.]' OR s ~* '^HELLO';

-- a regular expression does not match
SELECT id FROM words WHERE s !~ '[a-z]' AND s !~* 'x';

-- replaced by a regular expression
SELECT id, regexp_replace(s, '[0-9]+', '#') AS one, regexp_replace(s, '[aeiou]', '', 'g') AS every FROM words;

-- replaced with groups
SELECT id, regexp_replace(s, '(\w+)@(\w+)', '\2 at \1') AS t FROM words;

-- groups of a match
SELECT id, (regexp_match(s, '([a-z]+)-([0-9]+)'))[2] AS n FROM words;

-- all matches
SELECT id, m[1] AS digit FROM words, regexp_matches(s, '([0-9])', 'g') AS m;

-- a part by a regular expression
SELECT id, substring(s FROM '[0-9]+') AS digits FROM words;

-- counted matches
SELECT id, regexp_count(s, 'o') AS n FROM words;

-- regexp_like
SELECT id, regexp_like(s, '^[A-Z]') AS capital FROM words;

-- split by a regular expression
SELECT id, regexp_split_to_array(s, '[,-]') AS parts FROM words WHERE id IN (6, 7);

-- extracted by a regular expression of DuckDB
-- engine: duckdb
SELECT id, regexp_extract(s, '([a-z]+)-([0-9]+)', 2) AS n FROM words WHERE s IS NOT NULL;

-- codes of characters
SELECT id, ascii(s) AS a, chr(64 + id::int) AS c FROM words WHERE s <> '';

-- hashes
SELECT id, md5(s) AS m, encode(sha256(s::bytea), 'hex') AS s FROM words;

-- bytes encoded
SELECT id, encode(s::bytea, 'hex') AS h, encode(convert_to(t, 'UTF8'), 'base64') AS b FROM words WHERE id IN (1, 6, 7);
-- judge:
SELECT id, encode(s::bytea, 'hex'), rtrim(encode(convert_to(t, 'UTF8'), 'base64'), '=') FROM words WHERE id IN (1, 6, 7);

-- the domain of an address
SELECT id, lower(split_part(email, '@', 2)) AS domain, count(*) OVER (PARTITION BY lower(split_part(email, '@', 2))) AS n FROM customers;

-- initials
SELECT id, left(split_part(name, ' ', 1), 1) || coalesce(left(nullif(split_part(name, ' ', 2), ''), 1), '') AS initials FROM customers;

-- format
SELECT id, format('%s has %s', name, city) AS t FROM customers;

-- format with places
SELECT id, format('%2$s-%1$s %%', id, name) AS t FROM customers WHERE id < 3;

-- overlay
SELECT id, overlay(s PLACING '##' FROM 2 FOR 3) AS t FROM words WHERE length(s) > 5;

-- quoted texts
SELECT id, 'it''s ' || s AS a, E'tab\tend' AS b FROM words WHERE id = 16;

-- ordered texts compared
SELECT a.id, b.id AS other FROM words a JOIN words b ON a.s < b.s WHERE a.id IN (1, 3, 4) AND b.id < 9;

-- cut to a length by a cast
SELECT id, s::varchar(3) AS v, CAST(t AS varchar(1)) AS w FROM words;

-- filled by CHAR
-- refused: rpad
SELECT id, s::char(5) || '|' AS c FROM words;

-- words counted
SELECT id, array_length(string_to_array(trim(s), ' '), 1) AS n FROM words;

-- texts that are numbers
SELECT id FROM words WHERE s ~ '^\d+$';

-- an unaccented slug
SELECT id, regexp_replace(lower(trim(s)), '[^a-z0-9]+', '-', 'g') AS slug FROM words;

-- functions of texts of DuckDB
-- engine: duckdb
SELECT id, len(s) AS n, contains(s, 'a') AS has, upper(s) AS u, string_split(s, ',') AS parts FROM words WHERE id NOT IN (3, 4);

-- prefix and suffix of DuckDB
-- engine: duckdb
SELECT id, prefix(s, 'a') AS p, suffix(s, 'x') AS q, ends_with(s, 'e') AS e FROM words;

-- levenshtein of DuckDB
-- engine: duckdb
SELECT id, levenshtein(s, t) AS d FROM words WHERE id IN (1, 2, 7);
