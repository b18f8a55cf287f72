-- a pricing summary
SELECT p.category, count(*) AS lines, sum(i.qty) AS pieces, sum(i.qty * i.price) AS revenue, round(avg(i.price), 2) AS average, max(i.price) AS most
FROM items i JOIN products p ON p.sku = i.sku WHERE i.qty > 0 GROUP BY p.category ORDER BY p.category;

-- orders that have a late line
SELECT o.status, count(*) AS n FROM orders o
WHERE EXISTS (SELECT 1 FROM items i WHERE i.order_id = o.id AND i.qty >= 2) AND o.placed_at >= '2024-01-01' AND o.placed_at < '2024-04-01'
GROUP BY o.status;

-- how many orders customers have
SELECT c_count, count(*) AS customers FROM (
  SELECT c.id, count(o.id) AS c_count FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND coalesce(o.note, '') NOT LIKE '%gift%' GROUP BY c.id) AS t
GROUP BY c_count;

-- customers above the average who never ordered
SELECT substring(email FROM 1 FOR 3) AS code, count(*) AS n FROM customers c
WHERE length(name) > (SELECT avg(length(name)) FROM customers) AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id) GROUP BY substring(email FROM 1 FOR 3);

-- revenue lost by discounts, by month
SELECT to_char(placed_at, 'YYYY-MM') AS month, sum(amount) AS gross, sum(coalesce(discount, 0)) AS lost, sum(amount) - sum(coalesce(discount, 0)) AS net
FROM orders WHERE amount IS NOT NULL GROUP BY to_char(placed_at, 'YYYY-MM') HAVING sum(amount) > 10;

-- products that sell above their list price
SELECT p.sku, p.name, max(i.price - p.price) AS most_above FROM products p JOIN items i USING (sku) WHERE i.price > p.price GROUP BY p.sku, p.name;

-- the share of each category
SELECT category, revenue, round(100 * revenue / sum(revenue) OVER (), 2) AS share FROM (
  SELECT p.category, sum(i.qty * i.price) AS revenue FROM items i JOIN products p USING (sku) GROUP BY p.category) t;

-- first and repeat orders
SELECT id, customer_id, CASE WHEN row_number() OVER (PARTITION BY customer_id ORDER BY placed_at, id) = 1 THEN 'first' ELSE 'repeat' END AS kind FROM orders WHERE customer_id IS NOT NULL;

-- days between orders
SELECT customer_id, id, placed_at::date - lag(placed_at::date) OVER (PARTITION BY customer_id ORDER BY placed_at, id) AS days FROM orders;

-- growth from month to month
WITH m AS (SELECT date_trunc('month', placed_at) AS month, sum(amount) AS revenue FROM orders GROUP BY 1)
SELECT month, revenue, revenue - lag(revenue) OVER (ORDER BY month) AS growth FROM m;

-- the running balance of an account
SELECT order_id, moment, delta, sum(delta) OVER (PARTITION BY order_id ORDER BY moment, kind) AS balance FROM (
  SELECT id AS order_id, placed_at AS moment, -amount AS delta, 0 AS kind FROM orders WHERE amount IS NOT NULL
  UNION ALL SELECT order_id, paid_at, amount, id FROM payments WHERE ok AND order_id IS NOT NULL) moves;

-- what is still owed
SELECT o.id, o.amount - coalesce(sum(p.amount) FILTER (WHERE p.ok), 0) AS owed FROM orders o LEFT JOIN payments p ON p.order_id = o.id
WHERE o.amount IS NOT NULL GROUP BY o.id, o.amount HAVING o.amount > coalesce(sum(p.amount) FILTER (WHERE p.ok), 0);

-- payments without an order
SELECT p.id, p.order_id FROM payments p LEFT JOIN orders o ON o.id = p.order_id WHERE o.id IS NULL;

-- reconciliation of two sides
SELECT coalesce(o.id, p.order_id) AS id, o.amount AS ordered, p.paid, coalesce(o.amount, 0) - coalesce(p.paid, 0) AS difference
FROM orders o FULL JOIN (SELECT order_id, sum(amount) AS paid FROM payments WHERE ok GROUP BY order_id) p ON p.order_id = o.id
WHERE coalesce(o.amount, 0) <> coalesce(p.paid, 0);

-- an organisation's head counts
SELECT b.name AS boss, count(*) AS reports, sum(e.salary) AS payroll, min(e.hired) AS longest FROM employees e JOIN employees b ON e.boss_id = b.id GROUP BY b.id, b.name;

-- who earns more than the boss
SELECT e.name, e.salary, b.salary AS boss_salary FROM employees e JOIN employees b ON b.id = e.boss_id WHERE e.salary > b.salary;

-- the second salary of each department
SELECT dept, max(salary) AS second FROM employees e WHERE salary < (SELECT max(salary) FROM employees x WHERE x.dept = e.dept) GROUP BY dept;

-- salary bands
SELECT CASE WHEN salary < 4500 THEN 'a: low' WHEN salary < 5500 THEN 'b: middle' WHEN salary IS NULL THEN 'd: unknown' ELSE 'c: high' END AS band, count(*) AS n, string_agg(name, ', ' ORDER BY name) AS names
FROM employees GROUP BY 1;

-- years of service
SELECT id, extract(year FROM age(TIMESTAMP '2024-06-01', hired::timestamp))::int AS years FROM employees;

-- occupancy by night and room
-- reader refused: `generate_series` is not there for readers
SELECT room, count(*) AS nights, sum(rate) AS revenue FROM (
  SELECT b.room, b.rate, d::date AS night FROM bookings b, generate_series(b.arrives::timestamp, b.leaves::timestamp - interval '1 day', interval '1 day') AS d) n
GROUP BY room;

-- rooms that are free on a night
SELECT DISTINCT room FROM bookings b WHERE NOT EXISTS (SELECT 1 FROM bookings x WHERE x.room = b.room AND x.arrives <= DATE '2024-06-04' AND x.leaves > DATE '2024-06-04');

-- guests who come again
SELECT guest, count(*) AS stays, array_agg(DISTINCT room ORDER BY room) AS rooms FROM bookings GROUP BY guest HAVING count(*) > 1;

-- the next guest of a room
SELECT id, room, guest, lead(guest) OVER (PARTITION BY room ORDER BY arrives, id) AS next, lead(arrives) OVER (PARTITION BY room ORDER BY arrives, id) - leaves AS gap FROM bookings;

-- devices that are silent
SELECT device, max(stamp) AS last, max(stamp) < TIMESTAMPTZ '2024-05-01 12:00:00+00' AS silent FROM readings GROUP BY device;

-- readings out of bounds
SELECT r.device, count(*) FILTER (WHERE r.temp > t.high) AS above, count(*) FILTER (WHERE r.temp < t.low) AS below
FROM readings r JOIN thresholds t ON t.device = r.device AND t.valid_from <= r.stamp
WHERE NOT EXISTS (SELECT 1 FROM thresholds n WHERE n.device = t.device AND n.valid_from > t.valid_from AND n.valid_from <= r.stamp) GROUP BY r.device;

-- the latest reading of each device with its threshold
SELECT DISTINCT ON (r.device) r.device, r.stamp, r.temp, t.high FROM readings r LEFT JOIN thresholds t ON t.device = r.device AND t.valid_from <= r.stamp ORDER BY r.device, r.stamp DESC, t.valid_from DESC NULLS LAST;

-- deviation from the average of the hour
SELECT id, round((temp - avg(temp) OVER (PARTITION BY device, date_trunc('hour', stamp)))::numeric, 3) AS deviation FROM readings;

-- longest gap of each device
SELECT device, max(gap) AS longest FROM (SELECT device, stamp - lag(stamp) OVER (PARTITION BY device ORDER BY stamp, id) AS gap FROM readings) t GROUP BY device;

-- states and how long they lasted
SELECT device, state, starts, lead(starts) OVER (PARTITION BY device ORDER BY starts) - starts AS lasted FROM (
  SELECT device, state, min(stamp) AS starts FROM (
    SELECT device, stamp, state, row_number() OVER (PARTITION BY device ORDER BY stamp, id) - row_number() OVER (PARTITION BY device, state ORDER BY stamp, id) AS run FROM (
      SELECT id, device, stamp, CASE WHEN temp > 20 THEN 'warm' ELSE 'cold' END AS state FROM readings) a) b
  GROUP BY device, state, run) c;

-- value weighted by time
SELECT device, round((sum(temp * extract(epoch FROM next - stamp)) / sum(extract(epoch FROM next - stamp)))::numeric, 4) AS average FROM (
  SELECT device, temp, stamp, lead(stamp) OVER (PARTITION BY device ORDER BY stamp, id) AS next FROM readings WHERE temp IS NOT NULL) t WHERE next IS NOT NULL GROUP BY device;

-- pages of a visitor in order
SELECT visitor, string_agg(page, ' > ' ORDER BY _seq) AS path FROM shop.visit GROUP BY visitor;

-- visitors who went from the cart to pay
SELECT DISTINCT a.visitor FROM shop.visit a JOIN shop.visit b ON a.visitor = b.visitor AND a.page = '/cart' AND b.page = '/pay' AND b._time > a._time;

-- pages and their next page
SELECT page, next, count(*) AS n FROM (SELECT page, lead(page) OVER (PARTITION BY visitor ORDER BY _time, _seq) AS next FROM shop.visit) t GROUP BY page, next;

-- slow pages
SELECT page, count(*) AS n, percentile_disc(0.95) WITHIN GROUP (ORDER BY ms) AS p95, max(ms) AS most FROM shop.visit GROUP BY page HAVING max(ms) > 90;

-- the ten most frequent words
SELECT word, count(*) AS n FROM (SELECT unnest(string_to_array(lower(s), ' ')) AS word FROM words WHERE s IS NOT NULL) t WHERE word <> '' GROUP BY word HAVING count(*) >= 1 ORDER BY n DESC, word LIMIT 10;

-- customers by domain of their mail
SELECT coalesce(nullif(split_part(lower(email), '@', 2), ''), 'none') AS domain, count(*) AS n, min(name) AS first FROM customers GROUP BY 1;

-- a JSON document of each order
SELECT o.id, jsonb_build_object('id', o.id, 'customer', c.name, 'lines', (SELECT jsonb_agg(jsonb_build_object('sku', i.sku, 'qty', i.qty) ORDER BY i.line) FROM items i WHERE i.order_id = o.id)) AS doc
FROM orders o LEFT JOIN customers c ON c.id = o.customer_id;

-- attributes of products as columns
SELECT sku, attributes ->> 'color' AS color, (attributes ->> 'watt')::int AS watt, attributes -> 'parts' ->> 'legs' AS legs, jsonb_array_length(attributes -> 'sizes') AS sizes FROM products WHERE attributes -> 'sizes' IS NULL OR jsonb_typeof(attributes -> 'sizes') = 'array';

-- products that have a size
SELECT sku FROM products WHERE attributes -> 'sizes' @> '2';

-- sizes of all products
SELECT p.sku, s.size::int AS size FROM products p CROSS JOIN LATERAL jsonb_array_elements_text(p.attributes -> 'sizes') AS s(size);

-- the best customer of each city
SELECT city, name, total FROM (
  SELECT c.city, c.name, sum(o.amount) AS total, rank() OVER (PARTITION BY c.city ORDER BY sum(o.amount) DESC) AS place
  FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY c.city, c.name) t WHERE place = 1;

-- referrals of referrals
SELECT a.name AS who, count(b.id) AS direct, count(c.id) AS second FROM customers a LEFT JOIN customers b ON b.referred_by = a.id LEFT JOIN customers c ON c.referred_by = b.id GROUP BY a.id, a.name;

-- pairs of products that are bought together
SELECT a.sku, b.sku AS other, count(*) AS n FROM items a JOIN items b ON a.order_id = b.order_id AND a.sku < b.sku GROUP BY a.sku, b.sku;

-- products that nobody buys
SELECT sku, name FROM products EXCEPT SELECT p.sku, p.name FROM products p JOIN items i ON i.sku = p.sku;

-- the margin of what has a cost
SELECT sku, price - cost AS margin, round((price - cost) / price * 100, 1) AS percent, CASE WHEN (price - cost) / price > 0.5 THEN 'good' ELSE 'poor' END AS verdict FROM products WHERE cost IS NOT NULL;

-- profit and loss of trades
SELECT symbol, sum(qty) AS shares, sum(qty * price) AS spent, round(sum(qty * price) / nullif(sum(qty), 0), 4) AS average, (array_agg(price ORDER BY stamp DESC, id DESC))[1] * sum(qty) - sum(qty * price) AS gain FROM trades GROUP BY symbol;

-- candles of five seconds
SELECT symbol, date_bin('5 seconds', stamp, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS candle, min(price) AS low, max(price) AS high, sum(qty) AS volume FROM trades GROUP BY symbol, candle;

-- spread between bids
SELECT symbol, max(bid) - min(bid) AS spread, count(bid) AS n FROM quotes GROUP BY symbol;

-- a calendar of weekdays
SELECT d::date AS day, extract(isodow FROM d) AS weekday, count(v.page) AS visits FROM generate_series('2024-06-01'::timestamp, '2024-06-05'::timestamp, '1 day') AS d LEFT JOIN shop.visit v ON v._time::date = d::date WHERE extract(isodow FROM d) < 6 GROUP BY d;
