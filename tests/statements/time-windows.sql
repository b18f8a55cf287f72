-- tumbling windows of an hour
SELECT window_start, window_end, count(*) AS n FROM TUMBLE(shop.reading, stamp, INTERVAL '1 hour') GROUP BY window_start, window_end;
-- judge:
SELECT date_trunc('hour', stamp) AS s, date_trunc('hour', stamp) + INTERVAL '1 hour' AS e, count(*) FROM shop.reading GROUP BY 1, 2;

-- tumbling windows of ten minutes by device
SELECT device, window_start, max(temp) AS warmest, avg(humidity) AS humidity FROM TUMBLE(shop.reading, stamp, INTERVAL '10 minutes') GROUP BY device, window_start;
-- judge:
SELECT device, date_bin('10 minutes', stamp, '1970-01-01') AS s, max(temp), avg(humidity) FROM shop.reading GROUP BY 1, 2;

-- tumbling windows in the words of Flink
SELECT window_start, window_end, sum(ms) AS total
FROM TABLE(TUMBLE(TABLE shop.visit, DESCRIPTOR(_time), INTERVAL '10' MINUTE)) GROUP BY window_start, window_end;
-- judge:
SELECT date_bin('10 minutes', _time, '1970-01-01') AS s, date_bin('10 minutes', _time, '1970-01-01') + INTERVAL '10 minutes', sum(ms) FROM shop.visit GROUP BY 1, 2;

-- hopping windows
SELECT window_start, window_end, count(*) AS n FROM HOP(shop.visit, _time, INTERVAL '5 minutes', INTERVAL '15 minutes') GROUP BY window_start, window_end;
-- judge:
SELECT s, s + INTERVAL '15 minutes', count(*) FROM shop.visit,
  generate_series(date_bin('5 minutes', _time, '1970-01-01') - INTERVAL '10 minutes', date_bin('5 minutes', _time, '1970-01-01'), INTERVAL '5 minutes') AS s GROUP BY s;

-- hopping windows in the words of Flink
SELECT page, window_start, count(DISTINCT visitor) AS visitors
FROM TABLE(HOP(TABLE shop.visit, DESCRIPTOR(_time), INTERVAL '30' MINUTES, INTERVAL '1' HOUR)) GROUP BY page, window_start;
-- judge:
SELECT page, s, count(DISTINCT visitor) FROM shop.visit,
  generate_series(date_bin('30 minutes', _time, '1970-01-01') - INTERVAL '30 minutes', date_bin('30 minutes', _time, '1970-01-01'), INTERVAL '30 minutes') AS s GROUP BY page, s;

-- windows over a table that changes
SELECT w.window_start, sum(w.amount) AS revenue FROM TUMBLE(orders, placed_at, INTERVAL '7 days') AS w GROUP BY w.window_start;
-- judge:
SELECT date_bin('7 days', placed_at, '1970-01-01'), sum(amount) FROM orders GROUP BY 1;

-- rows of a window with its bounds
SELECT id, device, window_start FROM TUMBLE(readings, stamp, INTERVAL '15 minutes');
-- judge:
SELECT id, device, date_bin('15 minutes', stamp, '1970-01-01') FROM readings;

-- the first of each window
SELECT window_start, id, amount FROM (
  SELECT window_start, id, amount, row_number() OVER (PARTITION BY window_start ORDER BY amount DESC NULLS LAST, id) AS place
  FROM TUMBLE(orders, placed_at, INTERVAL '30 days')) t WHERE place = 1;
-- judge:
SELECT s, id, amount FROM (SELECT date_bin('30 days', placed_at, '1970-01-01') AS s, id, amount,
  row_number() OVER (PARTITION BY date_bin('30 days', placed_at, '1970-01-01') ORDER BY amount DESC NULLS LAST, id) AS place FROM orders) t WHERE place = 1;

-- a join of two windows
SELECT a.window_start, a.n AS readings, b.n AS warm
FROM (SELECT window_start, count(*) AS n FROM TUMBLE(readings, stamp, INTERVAL '1 hour') GROUP BY window_start) a
LEFT JOIN (SELECT window_start, count(*) AS n FROM TUMBLE(readings, stamp, INTERVAL '1 hour') WHERE temp > 20 GROUP BY window_start) b
ON a.window_start = b.window_start;
-- judge:
SELECT a.s, a.n, b.n FROM (SELECT date_trunc('hour', stamp) AS s, count(*) AS n FROM readings GROUP BY 1) a
LEFT JOIN (SELECT date_trunc('hour', stamp) AS s, count(*) AS n FROM readings WHERE temp > 20 GROUP BY 1) b ON a.s = b.s;

-- session windows as a table function
SELECT visitor, window_start, window_end, count(*) AS n
FROM SESSION(shop.visit, _time, INTERVAL '5 minutes', visitor) GROUP BY visitor, window_start, window_end;
-- judge:
SELECT visitor, min(_time), max(_time) + INTERVAL '5 minutes', count(*) FROM (
  SELECT visitor, _time, sum(fresh) OVER (PARTITION BY visitor ORDER BY _time, _seq) AS session FROM (
    SELECT visitor, _time, _seq, CASE WHEN _time - lag(_time) OVER (PARTITION BY visitor ORDER BY _time, _seq) <= INTERVAL '5 minutes' THEN 0 ELSE 1 END AS fresh
    FROM shop.visit) a) b GROUP BY visitor, session;

-- sessions of everybody together
SELECT window_start, window_end, count(*) AS n FROM SESSION(readings, stamp, INTERVAL '30 minutes') GROUP BY window_start, window_end;
-- judge:
SELECT min(stamp), max(stamp) + INTERVAL '30 minutes', count(*) FROM (
  SELECT stamp, sum(fresh) OVER (ORDER BY stamp, id) AS session FROM (
    SELECT stamp, id, CASE WHEN stamp - lag(stamp) OVER (ORDER BY stamp, id) <= INTERVAL '30 minutes' THEN 0 ELSE 1 END AS fresh
    FROM readings) a) b GROUP BY session;

-- session windows in the words of Flink
SELECT visitor, window_start, count(*) AS n
FROM TABLE(SESSION(TABLE shop.visit PARTITION BY visitor, DESCRIPTOR(_time), INTERVAL '5' MINUTES)) GROUP BY visitor, window_start, window_end;
-- judge:
SELECT visitor, min(_time), count(*) FROM (
  SELECT visitor, _time, sum(fresh) OVER (PARTITION BY visitor ORDER BY _time, _seq) AS session FROM (
    SELECT visitor, _time, _seq, CASE WHEN _time - lag(_time) OVER (PARTITION BY visitor ORDER BY _time, _seq) <= INTERVAL '5 minutes' THEN 0 ELSE 1 END AS fresh
    FROM shop.visit) a) b GROUP BY visitor, session;

-- days by date_trunc
SELECT date_trunc('day', placed_at) AS day, count(*) AS orders, sum(amount) AS revenue FROM orders GROUP BY 1;

-- quarter hours by date_bin with an origin
SELECT date_bin('15 minutes', stamp, TIMESTAMP '2024-05-01 00:05:00') AS bin, count(*) AS n FROM readings GROUP BY bin;

-- quarter hours by time_bucket
-- engine: duckdb
SELECT time_bucket(INTERVAL '15 minutes', stamp) AS bucket, avg(temp) AS temp FROM readings GROUP BY bucket;

-- five minutes by the seconds since 1970
SELECT to_timestamp(floor(extract(epoch FROM stamp) / 300) * 300) AS bin, count(*) AS n FROM readings GROUP BY 1;

-- gaps filled with zero
-- reader refused: `generate_series` is not there for readers
SELECT h.hour, count(r.id) AS n FROM generate_series(TIMESTAMP '2024-05-01 00:00', TIMESTAMP '2024-05-01 04:00', INTERVAL '1 hour') AS h(hour)
LEFT JOIN readings r ON r.stamp >= h.hour AND r.stamp < h.hour + INTERVAL '1 hour' AND r.device = 'b' GROUP BY h.hour;

-- gaps filled with the last known value
-- reader refused: `generate_series` is not there for readers
SELECT h.hour, (SELECT r.temp FROM readings r WHERE r.device = 'b' AND r.stamp <= h.hour AND r.temp IS NOT NULL ORDER BY r.stamp DESC, r.id DESC LIMIT 1) AS temp
FROM generate_series(TIMESTAMP '2024-05-01 00:00', TIMESTAMP '2024-05-01 04:00', INTERVAL '1 hour') AS h(hour) JOIN (SELECT count(*) AS n FROM readings) x ON true;

-- as-of join of trades and quotes
-- engine: duckdb
SELECT t.id, t.symbol, q.bid FROM trades t ASOF JOIN quotes q ON t.symbol = q.symbol AND t.stamp >= q.stamp;

-- as-of left join
-- engine: duckdb
SELECT t.id, q.id AS quote, q.bid FROM trades t ASOF LEFT JOIN quotes q ON t.symbol = q.symbol AND t.stamp >= q.stamp;

-- as-of with USING
-- engine: duckdb
SELECT id, symbol, stamp, bid FROM (SELECT id, symbol, stamp FROM trades) t ASOF JOIN (SELECT symbol, stamp, bid FROM quotes) q USING (symbol, stamp);

-- as-of strictly before
-- engine: duckdb
SELECT t.id, q.bid FROM trades t ASOF LEFT JOIN quotes q ON t.symbol = q.symbol AND t.stamp > q.stamp;

-- as-of to the next one
-- engine: duckdb
SELECT t.id, q.id AS quote FROM trades t ASOF JOIN quotes q ON t.symbol = q.symbol AND t.stamp <= q.stamp;

-- as-of in the words of Snowflake
-- engine: duckdb
SELECT t.id, q.bid FROM trades t ASOF JOIN quotes q MATCH_CONDITION (t.stamp >= q.stamp) ON t.symbol = q.symbol;
-- judge:
SELECT t.id, q.bid FROM trades t ASOF LEFT JOIN quotes q ON t.symbol = q.symbol AND t.stamp >= q.stamp;

-- the threshold that held then
-- engine: duckdb
SELECT r.id, r.device, r.temp, r.temp BETWEEN th.low AND th.high AS is_fine
FROM readings r ASOF LEFT JOIN thresholds th ON r.device = th.device AND r.stamp >= th.valid_from;

-- as-of by a lateral subquery
SELECT t.id, q.bid FROM trades t LEFT JOIN LATERAL
  (SELECT q.bid FROM quotes q WHERE q.symbol = t.symbol AND q.stamp <= t.stamp ORDER BY q.stamp DESC LIMIT 1) q ON true;

-- a version as of the time of the fact
-- engine: duckdb
SELECT t.id, q.bid FROM trades t LEFT JOIN shop.quote FOR SYSTEM_TIME AS OF t.stamp AS q ON t.symbol = q.symbol;
-- judge:
SELECT t.id, q.bid FROM trades t ASOF LEFT JOIN shop.quote q ON t.symbol = q.symbol AND t.stamp >= q._time;

-- a version of a table, which has no history
-- refused: ASOF LEFT JOIN
SELECT t.id, q.bid FROM trades t LEFT JOIN quotes FOR SYSTEM_TIME AS OF t.stamp AS q ON t.symbol = q.symbol;
-- judge:
SELECT 1 AS one;

-- validity of versions by lead
SELECT device, valid_from, lead(valid_from) OVER (PARTITION BY device ORDER BY valid_from) AS valid_to, low, high FROM thresholds;

-- lookup in ranges of validity
SELECT r.id, v.low FROM readings r LEFT JOIN
  (SELECT device, low, valid_from, lead(valid_from, 1, '9999-12-31') OVER (PARTITION BY device ORDER BY valid_from) AS valid_to FROM thresholds) v
ON v.device = r.device AND r.stamp >= v.valid_from AND r.stamp < v.valid_to;
