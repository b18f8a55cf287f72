-- arithmetic of integers
SELECT id, i + j AS s, i - j AS d, i * 2 AS m, i % j AS r FROM numbers WHERE id <> 7;

-- division of integers
SELECT id, i / j AS q, -7 / 2 AS n FROM numbers WHERE id <> 7;

-- mod and div with signs
SELECT id, mod(i, j) AS m, div(i, j) AS q FROM numbers WHERE id <> 7;

-- decimals multiplied and added
SELECT id, d * 2 AS twice, d + 1 AS one_more, d * d AS square FROM numbers;

-- a quotient of decimals, rounded
SELECT id, round(d / 3, 4) AS q FROM numbers;

-- an integer divided by a decimal
SELECT id, round(i / 2.0, 2) AS half FROM numbers;

-- rounding of decimals
SELECT id, round(d) AS r0, round(d, 1) AS r1, round(d, 2) AS r2, round(d, -1) AS tens FROM numbers;

-- rounding of floats
SELECT id, round(f) AS r FROM numbers WHERE f NOT IN (0.5, -0.5, 2.5, -2.5);

-- rounding of halves of floats
-- engine: duckdb
SELECT id, round(f) AS r FROM numbers;

-- truncation
SELECT id, trunc(d) AS t, trunc(d, 2) AS t2, trunc(f) AS tf FROM numbers;

-- ceil and floor
SELECT id, ceil(d) AS c, floor(d) AS f, ceiling(f) AS cf, floor(f) AS ff FROM numbers;

-- abs and sign
SELECT id, abs(i) AS a, abs(d) AS ad, sign(i) AS s, sign(d) AS sd FROM numbers WHERE id <> 7;

-- powers and roots
SELECT id, power(f, 2) AS p, sqrt(abs(f)) AS r, cbrt(f) AS c, 2 ^ j AS two FROM numbers WHERE id NOT IN (6, 7);

-- logarithms
SELECT id, ln(f) AS ln, log(f) AS log, log(2.0, d) AS log2, exp(f / 10) AS e FROM numbers WHERE f > 0 AND d > 0 AND f < 100;

-- trigonometry
SELECT id, sin(f) AS s, cos(f) AS c, atan2(f, 2) AS a, degrees(f) AS d, radians(f) AS r, pi() AS pi FROM numbers WHERE f < 100;

-- decimals become integers
SELECT id, d::int AS n, CAST(d AS bigint) AS b FROM numbers;

-- floats become integers
SELECT id, f::int AS n FROM numbers WHERE f < 1e9;

-- integers become decimals and floats
SELECT id, i::numeric(20, 2) AS n, j::float8 / 2 AS f FROM numbers;

-- decimals of another scale
SELECT id, d::numeric(10, 1) AS one, d::numeric(10, 2) AS two FROM numbers;

-- numbers become text
SELECT id, i::text AS i, d::text AS d FROM numbers;

-- floats become text
-- engine: duckdb
SELECT id, f::text AS t FROM numbers;

-- text becomes numbers
SELECT id, s::int AS n FROM words WHERE s = '42';

-- text that may be no number
-- engine: duckdb
SELECT id, TRY_CAST(s AS INTEGER) AS n FROM words;

-- booleans become text and integers
SELECT id, a::text AS t, a::int AS n FROM flags;

-- text becomes a boolean
SELECT id, (CASE WHEN id = 1 THEN 'yes' WHEN id = 2 THEN 'f' ELSE 'true' END)::boolean AS b FROM flags;

-- bits of integers
SELECT id, i & 6 AS a, i | 1 AS o, i # 3 AS x, i << 2 AS l, i >> 1 AS r FROM numbers WHERE id <> 7;

-- literals of many kinds
SELECT id, 1.5 + 1 AS d, 1e2 AS f, .5 AS h, 1000000000000 AS big FROM flags;

-- hexadecimal
SELECT id, to_hex(i) AS h FROM numbers WHERE i > 0 AND id <> 7;

-- gcd, lcm and factorial
SELECT id, gcd(i, j) AS g, lcm(i, j) AS l, factorial(j) AS f FROM numbers WHERE j > 0 AND id NOT IN (7);

-- random-free hash buckets
SELECT id, abs(i) % 3 AS bucket FROM numbers;

-- a tax with two digits
SELECT id, round(amount * 0.2, 2) AS tax, round(amount * 1.2, 2) AS gross, amount * 0.2 AS exact FROM orders;

-- a percentage
SELECT id, round(100.0 * discount / amount, 1) AS percent FROM orders WHERE amount > 0;

-- text with a number's format
-- refused: CAST(round(x, 2) AS VARCHAR)
SELECT id, to_char(amount, 'FM999990.00') AS t FROM orders WHERE amount IS NOT NULL;

-- is it a whole number
SELECT id, d = trunc(d) AS is_whole, d % 1 AS fraction FROM numbers;

-- scientific comparison
SELECT id FROM numbers WHERE f > 1e9 OR f < -2;

-- NaN and infinity
SELECT id, 'NaN'::float8 > f AS nan_is_greater, f < 'Infinity'::float8 AS finite FROM numbers;

-- FLOAT has eight bytes
SELECT id, amount::float * 1000001 AS f, CAST(amount AS FLOAT) + 0.1::float AS g, amount::real AS r FROM orders WHERE amount IS NOT NULL;
