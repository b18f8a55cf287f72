-- numbers of rows in each group
SELECT id, dept, row_number() OVER (PARTITION BY dept ORDER BY hired, id) AS n FROM employees;

-- rank and dense rank with ties
SELECT id, salary, rank() OVER (ORDER BY salary DESC NULLS LAST) AS r, dense_rank() OVER (ORDER BY salary DESC NULLS LAST) AS d FROM employees;

-- percent rank and cumulative distribution
SELECT id, percent_rank() OVER (ORDER BY salary) AS p, cume_dist() OVER (ORDER BY salary) AS c FROM employees WHERE salary IS NOT NULL;

-- quartiles by ntile
SELECT id, ntile(4) OVER (ORDER BY amount NULLS LAST, id) AS quartile FROM orders;

-- a running total
SELECT id, sum(amount) OVER (ORDER BY placed_at, id) AS total FROM orders;

-- a running total by customer
SELECT customer_id, id, sum(amount) OVER (PARTITION BY customer_id ORDER BY placed_at, id ROWS UNBOUNDED PRECEDING) AS total FROM orders;

-- a running total over peers
SELECT id, humidity, sum(humidity) OVER (ORDER BY stamp) AS total FROM readings;

-- a moving average of three
SELECT id, round(avg(amount) OVER (ORDER BY placed_at, id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW), 2) AS average FROM orders WHERE amount IS NOT NULL;

-- a centred frame
SELECT id, max(humidity) OVER (PARTITION BY device ORDER BY stamp, id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS most FROM readings;

-- what is to come
SELECT id, sum(qty) OVER (ORDER BY id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS left_over FROM trades;

-- the difference to the row before
SELECT device, stamp, temp, temp - lag(temp) OVER (PARTITION BY device ORDER BY stamp, id) AS change FROM readings;

-- lag with a distance and a default
SELECT id, lag(status, 2, 'none') OVER (ORDER BY id) AS earlier FROM orders;

-- time to the next event
SELECT id, lead(stamp) OVER (PARTITION BY device ORDER BY stamp, id) - stamp AS gap FROM readings;

-- seconds since the event before
SELECT id, extract(epoch FROM stamp - lag(stamp) OVER (PARTITION BY device ORDER BY stamp, id)) AS seconds FROM readings;

-- first and last of a frame
SELECT id, first_value(name) OVER w AS first, last_value(name) OVER w AS last
FROM employees WINDOW w AS (PARTITION BY dept ORDER BY hired, id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING);

-- the second of each
SELECT id, nth_value(name, 2) OVER (PARTITION BY dept ORDER BY hired, id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS second FROM employees;

-- a share of its group
SELECT id, round(salary / sum(salary) OVER (PARTITION BY dept) * 100, 1) AS share FROM employees WHERE salary IS NOT NULL;

-- counts beside rows
SELECT id, count(*) OVER () AS everyone, count(salary) OVER (PARTITION BY dept) AS paid FROM employees;

-- one named window and its refinement
SELECT id, sum(amount) OVER (w ORDER BY id) AS running, count(*) OVER w AS n FROM orders WINDOW w AS (PARTITION BY customer_id);

-- a frame by a length of time
SELECT id, count(*) OVER (PARTITION BY device ORDER BY stamp RANGE BETWEEN INTERVAL '30 minutes' PRECEDING AND CURRENT ROW) AS n FROM readings;

-- a frame by a distance of numbers
SELECT id, sum(i) OVER (ORDER BY j RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS total FROM numbers WHERE j IS NOT NULL AND id <> 7;

-- a frame of groups of peers
SELECT id, count(*) OVER (ORDER BY salary GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) AS n FROM employees WHERE salary IS NOT NULL;

-- an aggregate with FILTER over a window
SELECT id, count(*) FILTER (WHERE status = 'paid') OVER (ORDER BY id) AS paid FROM orders;

-- a window over groups
SELECT status, count(*) AS n, rank() OVER (ORDER BY count(*) DESC) AS place FROM orders GROUP BY status;

-- totals of groups and of all
SELECT customer_id, sum(amount) AS total, sum(sum(amount)) OVER () AS everything FROM orders GROUP BY customer_id;

-- islands of consecutive numbers
SELECT min(id) AS first, max(id) AS last, count(*) AS n
FROM (SELECT id, id - row_number() OVER (ORDER BY id) AS island FROM orders WHERE amount IS NOT NULL) t GROUP BY island;

-- gaps between ids
SELECT id + 1 AS from_id, next - 1 AS to_id FROM (SELECT id, lead(id) OVER (ORDER BY id) AS next FROM numbers WHERE id NOT IN (3, 6, 7)) t WHERE next > id + 1;

-- sessions of a visitor, by a pause of five minutes
SELECT visitor, session, count(*) AS pages, min(stamp) AS starts, max(stamp) AS ends FROM (
  SELECT visitor, stamp, sum(begins) OVER (PARTITION BY visitor ORDER BY stamp, seq) AS session FROM (
    SELECT visitor, _time AS stamp, _seq AS seq,
           CASE WHEN _time - lag(_time) OVER (PARTITION BY visitor ORDER BY _time, _seq) <= INTERVAL '5 minutes' THEN 0 ELSE 1 END AS begins
    FROM shop.visit) a) b
GROUP BY visitor, session;

-- the last value that is known
-- engine: duckdb
SELECT id, last_value(temp IGNORE NULLS) OVER (PARTITION BY device ORDER BY stamp, id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS known FROM readings;

-- changes of a status only
SELECT device, stamp, humidity FROM (SELECT device, stamp, humidity, lag(humidity) OVER (PARTITION BY device ORDER BY stamp, id) AS earlier FROM readings) t
WHERE humidity IS DISTINCT FROM earlier;

-- duplicates by their number
SELECT visitor, page, ms, n FROM (SELECT visitor, page, ms, row_number() OVER (PARTITION BY visitor, page, ms ORDER BY _seq) AS n FROM shop.visit) t WHERE n > 1;

-- cumulative count of distinct first visits
SELECT seq, stamp, sum(is_new) OVER (ORDER BY stamp, seq) AS visitors FROM (
  SELECT _time AS stamp, _seq AS seq, CASE WHEN row_number() OVER (PARTITION BY visitor ORDER BY _time, _seq) = 1 THEN 1 ELSE 0 END AS is_new FROM shop.visit) t;

-- lists so far
SELECT id, array_agg(id) OVER (PARTITION BY customer_id ORDER BY id) AS ids FROM orders;

-- ranks of descending dates
SELECT id, rank() OVER (PARTITION BY room ORDER BY arrives DESC) AS r FROM bookings;

-- the median of each group beside its rows
-- engine: duckdb
SELECT id, median(rating) OVER (PARTITION BY dept) AS middle FROM employees WHERE rating IS NOT NULL;

-- greatest change of each device
SELECT DISTINCT ON (device) device, stamp, change FROM (
  SELECT device, stamp, abs(temp - lag(temp) OVER (PARTITION BY device ORDER BY stamp, id)) AS change FROM readings) t
WHERE change IS NOT NULL ORDER BY device, change DESC, stamp;

-- merged overlapping bookings
SELECT room, min(arrives) AS starts, max(leaves) AS ends FROM (
  SELECT room, arrives, leaves, sum(begins) OVER (PARTITION BY room ORDER BY arrives, id) AS block FROM (
    SELECT id, room, arrives, leaves, CASE WHEN arrives <= max(leaves) OVER (PARTITION BY room ORDER BY arrives, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) THEN 0 ELSE 1 END AS begins
    FROM bookings WHERE leaves IS NOT NULL) a) b
GROUP BY room, block;

-- a default that is computed for the row before the first
SELECT id, temp - lag(temp, 1, temp) OVER (PARTITION BY device ORDER BY stamp, id) AS change, lead(humidity, 2, id) OVER (PARTITION BY device ORDER BY stamp, id) AS later FROM readings;
