-- truncated to each unit
SELECT id, date_trunc('year', ts) AS y, date_trunc('quarter', ts) AS q, date_trunc('month', ts) AS m, date_trunc('week', ts) AS w, date_trunc('minute', ts) AS mi, date_trunc('second', ts) AS s FROM moments;

-- a date truncated
SELECT id, date_trunc('month', d) AS m, date_trunc('week', d)::date AS w FROM moments;

-- parts by extract
SELECT id, extract(year FROM ts) AS y, extract(month FROM ts) AS m, extract(day FROM ts) AS d, extract(hour FROM ts) AS h, extract(minute FROM ts) AS mi FROM moments;

-- seconds with their fraction
SELECT id, extract(second FROM ts) AS s FROM moments;
-- judge:
SELECT id, floor(extract(second FROM ts)) FROM moments;

-- days of the week and the year
SELECT id, extract(dow FROM d) AS dow, extract(isodow FROM d) AS isodow, extract(doy FROM d) AS doy, extract(week FROM d) AS w, extract(quarter FROM d) AS q FROM moments;

-- years of weeks and further
SELECT id, extract(isoyear FROM d) AS iy, extract(decade FROM d) AS de, extract(century FROM d) AS c, extract(millennium FROM d) AS m FROM moments;

-- date_part by text
SELECT id, date_part('year', d) AS y, date_part('hour', ts) AS h, date_part('dow', ts) AS dow FROM moments;

-- milliseconds and microseconds
SELECT id, extract(milliseconds FROM ts) AS ms, extract(microseconds FROM ts) AS us FROM moments;
-- judge:
SELECT id, floor(extract(milliseconds FROM ts)), extract(microseconds FROM ts) FROM moments;

-- seconds since 1970
SELECT id, extract(epoch FROM ts) AS e, extract(epoch FROM d) AS ed FROM moments;

-- a time of seconds since 1970
SELECT id, to_timestamp(id * 86400) AS t FROM moments;

-- intervals added and taken away
SELECT id, ts + INTERVAL '1 day' AS a, ts - INTERVAL '2 hours 30 minutes' AS b, ts + INTERVAL '1 month' AS c, ts + INTERVAL '1 year' AS y FROM moments;

-- ISO intervals
SELECT id, ts + INTERVAL 'P1DT2H' AS a, ts + '1 day 02:30'::interval AS b FROM moments;

-- intervals in other spellings
SELECT id, ts + INTERVAL '1' HOUR AS a, ts + '90 minutes'::interval AS b, ts + INTERVAL '01:30:00' AS d FROM moments;

-- an interval times a column
SELECT id, ts + id * INTERVAL '1 hour' AS a, ts + INTERVAL '1 day' * id AS b FROM moments;

-- make_interval
SELECT id, ts + make_interval(days => id::int) AS a, ts + make_interval(hours => 2, mins => 5) AS b FROM moments;

-- days added to a date
SELECT id, d + 7 AS week, d - 1 AS yesterday, d - DATE '2024-01-01' AS days FROM moments;

-- months added to a date
SELECT id, d + INTERVAL '1 month' AS m, d - INTERVAL '1 year' AS y FROM moments;

-- a length of time between two
SELECT id, until - ts AS l FROM moments WHERE until > ts;

-- a length of time compared
SELECT id FROM moments WHERE until - ts > INTERVAL '36 hours';

-- a length of time in hours
SELECT id, extract(epoch FROM (until - ts)) / 3600 AS hours FROM moments WHERE id <> 1;

-- age
SELECT id, age(until, ts) AS a FROM moments;

-- age in years
SELECT id, extract(year FROM age(DATE '2024-06-01', born)) AS years FROM customers;

-- sum and average of lengths of time
SELECT sum(shipped_at - placed_at) AS total, avg(shipped_at - placed_at) AS average FROM orders;

-- dates compared
SELECT id FROM moments WHERE d >= DATE '2024-02-01' AND d < DATE '2024-02-01' + INTERVAL '2 months';

-- times within a day
SELECT id FROM moments WHERE ts >= '2024-02-29' AND ts < '2024-03-11';

-- a range of instants with zones
SELECT id FROM moments WHERE ts BETWEEN '2024-01-31 23:00:00+00' AND '2024-02-29 01:00:00+01';

-- a cast to a date
SELECT id, ts::date AS d, CAST(until AS date) AS u FROM moments;

-- a cast to a time of day
SELECT id, ts::time AS t FROM moments WHERE id IN (2, 4, 6);

-- a text becomes a date
SELECT id, s::date AS d FROM moments WHERE id IN (1, 2) AND s IS NOT NULL AND length(s) = 10;

-- a text becomes a time
SELECT id, s::timestamp AS t FROM moments WHERE id <= 2;

-- to_date with a pattern
SELECT id, to_date(s, 'DD.MM.YYYY') AS d FROM moments WHERE s LIKE '__.__.____';

-- to_timestamp with a pattern
SELECT id, to_timestamp(s, 'YYYY-MM-DD HH24:MI:SS') AS t FROM moments WHERE id = 1;

-- to_char of dates
SELECT id, to_char(ts, 'YYYY-MM-DD') AS a, to_char(ts, 'HH24:MI:SS') AS b, to_char(ts, 'DD.MM.YYYY HH24:MI') AS c FROM moments;

-- to_char of months and days by name
SELECT id, to_char(ts, 'Mon YYYY') AS a, to_char(ts, 'Dy') AS b, to_char(ts, 'FMMonth') AS m, to_char(ts, 'FMDay DD') AS d FROM moments;

-- to_char of weeks and quarters
SELECT id, to_char(d, 'IYYY-IW') AS w, to_char(d, 'DDD') AS doy FROM moments;

-- to_char of a quarter
SELECT id, to_char(d, 'YYYY"Q"Q') AS q FROM moments;

-- clocks of a place
SELECT id, ts AT TIME ZONE 'Europe/Vienna' AS local, (ts AT TIME ZONE 'America/New_York')::date AS day FROM moments;

-- timezone as a function
SELECT id, timezone('Europe/Vienna', ts) AS local FROM moments;

-- an instant of clocks
SELECT id, (d + TIME '08:00') AT TIME ZONE 'Europe/Vienna' AS opens FROM moments;

-- days of a place
SELECT date_trunc('day', placed_at AT TIME ZONE 'Europe/Vienna') AS day, count(*) AS n FROM orders GROUP BY 1;

-- date_trunc with a zone
SELECT id, date_trunc('day', ts, 'Europe/Vienna') AS day FROM moments;

-- made of parts
SELECT id, make_date(2024, id::int, 1) AS d, make_timestamp(2024, 1, id::int, 8, 30, 15.5) AS t FROM moments;

-- first and last day of the month
SELECT id, date_trunc('month', d)::date AS first, (date_trunc('month', d) + INTERVAL '1 month' - INTERVAL '1 day')::date AS last FROM moments;

-- overlapping times
SELECT id, (ts, until) OVERLAPS (TIMESTAMPTZ '2024-02-01 00:00:00+00', TIMESTAMPTZ '2024-03-15 00:00:00+00') AS o FROM moments;

-- weekend
SELECT id, CASE WHEN extract(isodow FROM placed_at) IN (6, 7) THEN 'weekend' ELSE 'week' END AS kind FROM orders;

-- orders by weekday and hour
SELECT extract(isodow FROM placed_at) AS day, extract(hour FROM placed_at) AS hour, count(*) AS n FROM orders GROUP BY 1, 2;

-- months between, by parts
SELECT id, (extract(year FROM until) - extract(year FROM ts)) * 12 + extract(month FROM until) - extract(month FROM ts) AS months FROM moments;

-- days overdue
SELECT id, coalesce(shipped_at::date, DATE '2024-04-30') - due AS days FROM orders WHERE due IS NOT NULL;

-- now in a projection
-- refused: _time
SELECT id FROM orders WHERE placed_at > now() - INTERVAL '100000 days';

-- the current date in a projection
-- refused: _time
SELECT id, current_date > due AS overdue FROM orders;

-- date_bin
SELECT id, date_bin('1 hour', ts, TIMESTAMPTZ '2000-01-01') AS h FROM moments;

-- generate of month ends
SELECT id, (ts::date + INTERVAL '1 month')::date AS next FROM moments;

-- interval arithmetic alone
SELECT id, INTERVAL '1 day' + INTERVAL '2 hours' AS a FROM moments WHERE id = 1;

-- the greatest of times
SELECT id, greatest(ts, until) AS g, least(ts, until) AS l FROM moments;

-- infinity far away
SELECT id, coalesce(shipped_at, TIMESTAMPTZ '9999-12-31 00:00:00+00') AS t FROM orders;

-- functions of times of DuckDB
-- engine: duckdb
SELECT id, year(ts) AS y, month(d) AS m, dayname(d) AS dn, monthname(d) AS mn, last_day(d) AS ld FROM moments;

-- date_diff of DuckDB
-- engine: duckdb
SELECT id, date_diff('day', ts, until) AS days, datediff('month', ts, until) AS months FROM moments;

-- date_add of DuckDB
-- engine: duckdb
SELECT id, date_add(ts, INTERVAL '3 days') AS a FROM moments;

-- epoch_ms of DuckDB
-- engine: duckdb
SELECT id, epoch_ms(ts) AS ms, epoch(ts) AS s FROM moments;

-- strftime of DuckDB
-- engine: duckdb
SELECT id, strftime(ts, '%d.%m.%Y %H:%M') AS t FROM moments;

-- strptime of DuckDB
-- engine: duckdb
SELECT id, strptime(s, '%d.%m.%Y') AS t FROM moments WHERE s LIKE '__.__.____';

-- a far end that is written as text
SELECT id, CASE WHEN until IS NULL THEN '9999-12-31' ELSE until END AS ends, until < '9999-12-31' AS is_open, greatest(ts, '2300-01-01') AS later FROM moments;

-- a time or else one that is written as text
SELECT id, coalesce(until, '9999-12-31 12:00:00') AS ends, coalesce(d, '2030-01-01') AS day FROM moments;

-- the next of a partition or else a time that is written as text
SELECT device, valid_from, coalesce(lead(valid_from) OVER (PARTITION BY device ORDER BY valid_from), '9999-12-31') AS valid_to FROM thresholds;

-- times that are written as text among and between
SELECT id, ts IN ('2024-02-29 12:00:00', '9999-12-31') AS one_of, ts BETWEEN '1600-01-01' AND '9999-12-31' AS within, nullif(ts, '9999-12-31') AS known FROM moments;

-- there is no infinite time
-- refused: such as '9999-12-31'
SELECT id, coalesce(until, 'infinity') AS ends FROM moments;

-- days since a day that is written as text
SELECT id, d - '2024-01-01' AS days, '2024-12-31' - d AS rest FROM moments;

-- the last day of each month by an interval of two parts
SELECT id, (date_trunc('month', d) + interval '1 month - 1 day')::date AS month_end, ts + interval '1 day - 02:30' AS later FROM moments;
