-- What tools send when they connect, browse and draw, and what they get: the rows behind `-->`, each as psql writes it without alignment.
-- `{things}` is the number of the relation `things`. Two statements have one empty line between them at least.

-- Grafana: its version of the server
SELECT current_setting('server_version_num')::int/100 as version
--> 1500

-- Grafana: an extension that its macros would use
SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'

-- Grafana: schemas
SELECT schema_name AS "name" FROM information_schema.schemata
WHERE schema_name NOT IN ('information_schema', 'pg_catalog', 'pg_toast', '_timescaledb_cache')
ORDER BY schema_name
--> public

-- Grafana: tables of the search path
SELECT
    CASE WHEN
          quote_ident(table_schema) IN (
          SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
          FROM generate_series(
              array_lower(string_to_array(current_setting('search_path'),','),1),
              array_upper(string_to_array(current_setting('search_path'),','),1)
            ) as i,
            string_to_array(current_setting('search_path'),',') s
          )
      THEN quote_ident(table_name)
      ELSE quote_ident(table_schema) || '.' || quote_ident(table_name)
    END AS "table"
    FROM information_schema.tables
    WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog')
    ORDER BY CASE WHEN
          quote_ident(table_schema) IN (
          SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
          FROM generate_series(
              array_lower(string_to_array(current_setting('search_path'),','),1),
              array_upper(string_to_array(current_setting('search_path'),','),1)
            ) as i,
            string_to_array(current_setting('search_path'),',') s
          ) THEN 0 ELSE 1 END, 1
--> guarded
--> numbers
--> readings
--> samples
--> things
--> totals

-- Grafana: tables of a schema
SELECT quote_ident(table_name) AS "table" FROM information_schema.tables WHERE quote_ident(table_schema) = 'public' ORDER BY 1
--> guarded
--> numbers
--> readings
--> samples
--> things
--> totals

-- Grafana: columns of a table
SELECT quote_ident(column_name) AS "column", data_type AS "type"
    FROM information_schema.columns
    WHERE
      CASE WHEN array_length(parse_ident('readings'),1) = 2
        THEN quote_ident(table_schema) = (parse_ident('readings'))[1]
          AND quote_ident(table_name) = (parse_ident('readings'))[2]
        ELSE quote_ident(table_name) = 'readings'
          AND
          quote_ident(table_schema) IN (
          SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
          FROM generate_series(
              array_lower(string_to_array(current_setting('search_path'),','),1),
              array_upper(string_to_array(current_setting('search_path'),','),1)
            ) as i,
            string_to_array(current_setting('search_path'),',') s
          )
      END
--> sensor|text
--> at|timestamp with time zone
--> watts|double precision

-- Grafana: columns of a table with its schema
SELECT quote_ident(column_name) AS "column", data_type AS "type"
    FROM information_schema.columns
    WHERE
      CASE WHEN array_length(parse_ident('public.things'),1) = 2
        THEN quote_ident(table_schema) = (parse_ident('public.things'))[1]
          AND quote_ident(table_name) = (parse_ident('public.things'))[2]
        ELSE quote_ident(table_name) = 'public.things'
      END
--> id|text
--> n|bigint
--> small|integer
--> price|numeric
--> rate|double precision
--> ok|boolean
--> day|date
--> at|timestamp with time zone
--> tags|ARRAY
--> sizes|ARRAY
--> address|json
--> counts|json

-- Grafana: columns with times, for a panel
SELECT column_name FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = 'readings' AND data_type IN ('timestamp without time zone', 'timestamp with time zone', 'bigint', 'integer', 'double precision', 'real')
ORDER BY ordinal_position
--> at
--> watts

-- Grafana: a variable
SELECT DISTINCT sensor FROM readings ORDER BY 1
--> a
--> b

-- Grafana: $__time and $__timeFilter
SELECT at AS "time", watts AS value FROM readings
WHERE at BETWEEN '2024-03-01T00:00:00Z' AND '2024-03-01T00:02:30.5Z' AND sensor IN ('a', 'b') ORDER BY 1
--> 2024-03-01 00:00:30+00|0
--> 2024-03-01 00:01:30+00|1
--> 2024-03-01 00:02:30+00|2

-- Grafana: $__timeGroupAlias of five minutes
SELECT floor(extract(epoch from at)/300)*300 AS "time", sensor AS metric, avg(watts) AS "watts" FROM readings
WHERE at BETWEEN '2024-03-01T00:00:00Z' AND '2024-03-01T01:00:00Z' GROUP BY 1, 2 ORDER BY 1, 2
--> 1709251200|a|2
--> 1709251200|b|2
--> 1709251500|a|7
--> 1709251500|b|7
--> 1709251800|a|10
--> 1709251800|b|11

-- Grafana: $__timeGroup in an expression, as a query builder writes it
SELECT m.t, m.most FROM (SELECT floor(extract(epoch from "at")/60)*60 AS t, max(watts) AS most FROM public.readings WHERE "at" BETWEEN '2024-03-01T00:10:00Z' AND '2024-03-01T00:11:59Z' GROUP BY floor(extract(epoch from "at")/60)*60) m ORDER BY t
--> 1709251800|10
--> 1709251860|11

-- Grafana: $__timeEpoch and $__unixEpochFilter
SELECT extract(epoch from at) as "time", watts FROM readings
WHERE extract(epoch from at) >= 1709251230 AND extract(epoch from at) <= 1709251290 ORDER BY 1
--> 1709251230|0
--> 1709251290|1

-- Grafana: $__timeFrom and $__timeTo, with an interval
SELECT count(*) AS n FROM readings WHERE at >= '2024-03-01T00:00:00Z'::timestamptz - interval '1 hour' AND at < '2024-03-01T00:05:00Z'
--> 5

-- Grafana: time by date_trunc, the newest first
SELECT date_trunc('hour', at) AS time, count(*) AS n FROM readings WHERE at BETWEEN '2024-03-01T00:00:00Z' AND '2024-03-02T00:00:00Z' GROUP BY 1 ORDER BY 1 DESC LIMIT 50
--> 2024-03-01 00:00:00+00|12

-- Grafana: the health check
SELECT 1
--> 1


-- Metabase: the zone of the database
show timezone
--> UTC

-- Metabase: tables, with how many rows they have about
SELECT "n"."nspname" AS "schema", "c"."relname" AS "name", CASE "c"."relkind" WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'v' THEN 'VIEW' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE NULL END AS "type", "d"."description" AS "description", NULLIF("stat"."n_live_tup", 0) AS "estimated_row_count"
FROM "pg_catalog"."pg_class" AS "c" INNER JOIN "pg_catalog"."pg_namespace" AS "n" ON "c"."relnamespace" = "n"."oid"
LEFT JOIN "pg_catalog"."pg_description" AS "d" ON ("c"."oid" = "d"."objoid") AND ("d"."objsubid" = 0) AND ("d"."classoid" = 'pg_class'::regclass)
LEFT JOIN "pg_stat_user_tables" AS "stat" ON ("n"."nspname" = "stat"."schemaname") AND ("c"."relname" = "stat"."relname")
WHERE ("c"."relnamespace" = "n"."oid") AND ("n"."nspname" !~ '^pg_') AND ("n"."nspname" <> 'information_schema') AND c.relkind in ('r', 'p', 'v', 'f', 'm') AND ("n"."nspname" IN ('public')) AND "c"."relname" <> 'numbers' AND "c"."relname" !~ '^(readings|samples|guarded)$'
ORDER BY "type" ASC, "schema" ASC, "name" ASC
--> public|things|TABLE||
--> public|totals|VIEW||

-- Metabase: rights of the user
with table_privileges as (
 select
   NULL as role,
   t.schemaname as schema,
   t.objectname as table,
   pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"',  'update') as update,
   pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"',  'select') as select,
   pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"',  'insert') as insert,
   pg_catalog.has_table_privilege(     current_user, '"' || replace(t.schemaname, '"', '""') || '"' || '.' || '"' || replace(t.objectname, '"', '""') || '"',  'delete') as delete
 from (
   select schemaname, tablename as objectname from pg_catalog.pg_tables
   union
   select schemaname, viewname as objectname from pg_catalog.pg_views
   union
   select schemaname, matviewname as objectname from pg_catalog.pg_matviews
 ) t
 where t.schemaname !~ '^pg_'
   and t.schemaname <> 'information_schema'
   and pg_catalog.has_schema_privilege(current_user, t.schemaname, 'usage')
)
select t.*
from table_privileges t order by 3 limit 2
--> |public|guarded|f|t|f|f
--> |public|numbers|f|t|f|f

-- Metabase: columns
SELECT "c"."column_name" AS "name", CASE WHEN "c"."udt_schema" IN ('public', 'pg_catalog') THEN FORMAT('%s', "c"."udt_name") ELSE FORMAT('"%s"."%s"', "c"."udt_schema", "c"."udt_name") END AS "database-type", "c"."ordinal_position" - 1 AS "database-position", "c"."table_schema" AS "table-schema", "c"."table_name" AS "table-name", "pk"."column_name" IS NOT NULL AS "pk?", COL_DESCRIPTION(CAST(CAST(FORMAT('%I.%I', CAST("c"."table_schema" AS TEXT), CAST("c"."table_name" AS TEXT)) AS REGCLASS) AS OID), "c"."ordinal_position") AS "field-comment", (("column_default" IS NULL) OR (LOWER("column_default") = 'null')) AND ("is_nullable" = 'NO') AND NOT ((("column_default" IS NOT NULL) AND ("column_default" LIKE '%nextval(%')) OR ("is_identity" <> 'NO')) AS "database-required", (("column_default" IS NOT NULL) AND ("column_default" LIKE '%nextval(%')) OR ("is_identity" <> 'NO') AS "database-is-auto-increment"
FROM "information_schema"."columns" AS "c"
LEFT JOIN (SELECT "tc"."table_schema", "tc"."table_name", "kc"."column_name" FROM "information_schema"."table_constraints" AS "tc" INNER JOIN "information_schema"."key_column_usage" AS "kc" ON ("tc"."constraint_name" = "kc"."constraint_name") AND ("tc"."table_schema" = "kc"."table_schema") AND ("tc"."table_name" = "kc"."table_name") WHERE "tc"."constraint_type" = 'PRIMARY KEY') AS "pk" ON ("c"."table_schema" = "pk"."table_schema") AND ("c"."table_name" = "pk"."table_name") AND ("c"."column_name" = "pk"."column_name")
WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND ("c"."table_schema" IN ('public')) AND "c"."table_name" IN ('readings', 'totals')
UNION ALL
SELECT "pa"."attname" AS "name", CASE WHEN "ptn"."nspname" IN ('public', 'pg_catalog') THEN FORMAT('%s', "pt"."typname") ELSE FORMAT('"%s"."%s"', "ptn"."nspname", "pt"."typname") END AS "database-type", "pa"."attnum" - 1 AS "database-position", "pn"."nspname" AS "table-schema", "pc"."relname" AS "table-name", FALSE AS "pk?", NULL AS "field-comment", FALSE AS "database-required", FALSE AS "database-is-auto-increment"
FROM "pg_catalog"."pg_class" AS "pc" INNER JOIN "pg_catalog"."pg_namespace" AS "pn" ON "pn"."oid" = "pc"."relnamespace" INNER JOIN "pg_catalog"."pg_attribute" AS "pa" ON "pa"."attrelid" = "pc"."oid" INNER JOIN "pg_catalog"."pg_type" AS "pt" ON "pt"."oid" = "pa"."atttypid" INNER JOIN "pg_catalog"."pg_namespace" AS "ptn" ON "ptn"."oid" = "pt"."typnamespace"
WHERE ("pc"."relkind" = 'm') AND ("pa"."attnum" >= 1) AND ("pn"."nspname" IN ('public'))
ORDER BY "table-schema" ASC, "table-name" ASC, "database-position" ASC
--> sensor|text|0|public|readings|t||t|f
--> at|timestamptz|1|public|readings|t||t|f
--> watts|float8|2|public|readings|f||f|f
--> n|int8|0|public|totals|f||t|f

-- Metabase: keys of others
SELECT "fk_ns"."nspname" AS "fk-table-schema", "fk_table"."relname" AS "fk-table-name", "fk_column"."attname" AS "fk-column-name", "pk_ns"."nspname" AS "pk-table-schema", "pk_table"."relname" AS "pk-table-name", "pk_column"."attname" AS "pk-column-name"
FROM "pg_constraint" AS "c" INNER JOIN "pg_class" AS "fk_table" ON "c"."conrelid" = "fk_table"."oid" INNER JOIN "pg_namespace" AS "fk_ns" ON "c"."connamespace" = "fk_ns"."oid" INNER JOIN "pg_attribute" AS "fk_column" ON "c"."conrelid" = "fk_column"."attrelid" INNER JOIN "pg_class" AS "pk_table" ON "c"."confrelid" = "pk_table"."oid" INNER JOIN "pg_namespace" AS "pk_ns" ON "pk_table"."relnamespace" = "pk_ns"."oid" INNER JOIN "pg_attribute" AS "pk_column" ON "c"."confrelid" = "pk_column"."attrelid"
WHERE fk_ns.nspname !~ '^information_schema|catalog_history|pg_' AND ("c"."contype" = 'f'::char) AND ("fk_column"."attnum" = ANY(c.conkey)) AND ("pk_column"."attnum" = ANY(c.confkey)) AND ("fk_ns"."nspname" IN ('public'))
ORDER BY "fk-table-schema" ASC, "fk-table-name" ASC

-- Metabase: columns that are first of an index
SELECT "tmp"."table-schema", "tmp"."table-name", TRIM(BOTH '"' FROM PG_CATALOG.PG_GET_INDEXDEF("tmp"."ci_oid", "tmp"."pos", FALSE)) AS "field-name"
FROM (SELECT "n"."nspname" AS "table-schema", "ct"."relname" AS "table-name", "ci"."oid" AS "ci_oid", (INFORMATION_SCHEMA._PG_EXPANDARRAY("i"."indkey"))."n" AS "pos" FROM "pg_catalog"."pg_class" AS "ct" INNER JOIN "pg_catalog"."pg_namespace" AS "n" ON "ct"."relnamespace" = "n"."oid" INNER JOIN "pg_catalog"."pg_index" AS "i" ON "ct"."oid" = "i"."indrelid" INNER JOIN "pg_catalog"."pg_class" AS "ci" ON "ci"."oid" = "i"."indexrelid" WHERE (PG_CATALOG.PG_GET_EXPR("i"."indpred", "i"."indrelid") IS NULL) AND n.nspname !~ '^information_schema|catalog_history|pg_') AS "tmp"
WHERE "tmp"."pos" = 1 ORDER BY 2
--> public|guarded|id
--> public|numbers|n
--> public|readings|sensor
--> public|samples|id
--> public|things|id

-- Metabase: types that list their values
SELECT nspname, typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid IN (SELECT DISTINCT enumtypid FROM pg_enum e)

-- Metabase: a first look at rows
SELECT SUBSTRING("public"."things"."id", 1, 1234) AS "substring1", "public"."things"."n" AS "n", "public"."things"."at" AS "at" FROM "public"."things" ORDER BY 1 LIMIT 10000
--> a|9007199254740993|2024-02-29 12:30:01.25+00
--> b||

-- Metabase: a question by day
SELECT CAST("public"."readings"."at" AS date) AS "at", COUNT(*) AS "count", SUM("public"."readings"."watts") AS "sum" FROM "public"."readings" WHERE ("public"."readings"."at" >= timestamp with time zone '2024-03-01 00:00:00.000Z') AND ("public"."readings"."at" < timestamp with time zone '2024-03-02 00:00:00.000Z') GROUP BY CAST("public"."readings"."at" AS date) ORDER BY CAST("public"."readings"."at" AS date) ASC
--> 2024-03-01|12|59

-- Metabase: a question by week, from Monday
SELECT DATE_TRUNC('week', "public"."readings"."at") AS "at", COUNT(*) AS "count" FROM "public"."readings" GROUP BY DATE_TRUNC('week', "public"."readings"."at") ORDER BY DATE_TRUNC('week', "public"."readings"."at") ASC
--> 2024-02-26 00:00:00+00|12

-- Metabase: a question by hour of the day
SELECT CAST(extract(hour from "public"."readings"."at") AS integer) AS "at", COUNT(*) AS "count" FROM "public"."readings" GROUP BY CAST(extract(hour from "public"."readings"."at") AS integer) ORDER BY 1
--> 0|12

-- Metabase: a median
SELECT PERCENTILE_CONT(0.5) within group (order by "public"."readings"."watts") AS "median" FROM "public"."readings"
--> 5

-- DBeaver: its session
SET extra_float_digits = 3
--> SET

-- DBeaver: where it is
SELECT current_schema(),session_user
--> public|ada

-- DBeaver: the search path
SHOW search_path
--> public

-- DBeaver: databases
SELECT db.oid > 0 AS has_number,db.datname,db.datallowconn,db.datistemplate FROM pg_catalog.pg_database db WHERE 1 = 1 AND datallowconn AND NOT datistemplate AND datname = 'readside'
ORDER BY db.datname
--> t|readside|t|f

-- DBeaver: a database with all that is known of it
SELECT db.oid,db.* FROM pg_catalog.pg_database db WHERE datname='none'

-- DBeaver: a column of the catalog that not every version has
SELECT typcategory FROM pg_catalog.pg_type WHERE 1<>1 LIMIT 1

-- DBeaver: types
SELECT t.typname,c.relkind,format_type(nullif(t.typbasetype, 0), t.typtypmod) as base_type_name, d.description
FROM pg_catalog.pg_type t
LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid=t.typelem 
LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid=t.typrelid
LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid=d.objoid
WHERE t.typname IS NOT NULL
AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C') AND t.typname IN ('int8', '_text', 'json', 'timestamptz')
ORDER BY 1
--> _text|||
--> int8|||
--> json|||
--> timestamptz|||

-- DBeaver: schemas
SELECT n.oid=2200 AS is_public,n.nspname,d.description FROM pg_catalog.pg_namespace n
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=n.oid AND d.objsubid=0 AND d.classoid='pg_namespace'::regclass
WHERE n.nspname NOT LIKE 'pg_toast%'
 ORDER BY nspname
--> f|information_schema|
--> f|pg_catalog|
--> t|public|

-- DBeaver: tables of a schema
SELECT c.relname,c.relkind,c.relispartition,c.relhasindex,c.relpersistence,c.relnatts,d.description,pg_catalog.pg_get_expr(c.relpartbound, c.oid) as partition_expr,  pg_catalog.pg_get_partkeydef(c.oid) as partition_key 
FROM pg_catalog.pg_class c
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_class'::regclass
WHERE c.relnamespace=2200 AND c.relkind not in ('i','I','c')
ORDER BY 1
--> guarded|r|f|t|p|2|||
--> numbers|r|f|t|p|1|||
--> readings|r|f|t|p|3|||
--> samples|r|f|t|p|9|||
--> things|r|f|t|p|12|||
--> totals|v|f|f|p|1|||

-- DBeaver: columns of a table
SELECT c.relname,a.attname,a.attnum,a.attnotnull,a.atttypmod,a.attndims,a.attidentity,a.attgenerated,pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as def_value,dsc.description,dep.objid
FROM pg_catalog.pg_attribute a
INNER JOIN pg_catalog.pg_class c ON (a.attrelid=c.oid)
LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid=ad.adrelid AND a.attnum = ad.adnum)
LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = dsc.objsubid)
LEFT OUTER JOIN pg_depend dep on dep.refobjid = a.attrelid AND dep.deptype = 'i' and dep.refobjsubid = a.attnum and dep.classid = dep.refclassid
WHERE NOT a.attisdropped AND c.relkind not in ('i','I','c') AND c.oid={things} AND a.attnum BETWEEN 1 AND 4
ORDER BY a.attnum
--> things|id|1|t|-1|0|||||
--> things|n|2|f|-1|0|||||
--> things|small|3|f|-1|0|||||
--> things|price|4|f|589830|0|||||

-- DBeaver: keys
SELECT c.conname,c.contype,c.conkey,t.relname as tabrelname,rt.relnamespace as refnamespace,d.description, case when c.contype='c' then "substring"(pg_get_constraintdef(c.oid), 7) else null end consrc_copy
FROM pg_catalog.pg_constraint c
INNER JOIN pg_catalog.pg_class t ON t.oid=c.conrelid
LEFT OUTER JOIN pg_catalog.pg_class rt ON rt.oid=c.confrelid
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_constraint'::regclass
WHERE t.relnamespace=2200 AND t.relname IN ('things', 'readings')
ORDER BY c.conname
--> readings_pkey|p|{1,2}|readings|||
--> things_pkey|p|{1}|things|||

-- DBeaver: indexes
SELECT i.indisunique,i.indisprimary,i.indkey as keys,i.indoption,c.relname,tc.relname as tabrelname,dsc.description,pg_catalog.pg_get_expr(i.indpred, i.indrelid) as pred_expr,pg_catalog.pg_get_expr(i.indexprs, i.indrelid, true) as expr
FROM pg_catalog.pg_index i
INNER JOIN pg_catalog.pg_class c ON c.oid=i.indexrelid
INNER JOIN pg_catalog.pg_class tc ON tc.oid=i.indrelid
LEFT OUTER JOIN pg_catalog.pg_description dsc ON i.indexrelid=dsc.objoid
WHERE c.relnamespace=2200 AND tc.relname IN ('things', 'readings') ORDER BY c.relname
--> t|t|1 2|0 0|readings_pkey|readings|||
--> t|t|1|0|things_pkey|things|||

-- DBeaver: a column of an index
select pg_catalog.pg_get_indexdef(i.indexrelid, 2, true) AS "column" FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid WHERE c.relname = 'readings'
--> at

-- DBeaver: functions
SELECT p.oid as poid,p.*,pg_catalog.pg_get_expr(p.proargdefaults, 0) as arg_defaults,d.description
FROM pg_catalog.pg_proc p
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=p.oid and d.classoid='pg_proc'::regclass  AND d.objsubid = 0
WHERE p.pronamespace=2200
ORDER BY p.proname

-- DBeaver: aggregates of a schema
SELECT p.oid AS proc_oid,p.proname AS proc_name,a.*
FROM pg_catalog.pg_aggregate a,pg_catalog.pg_proc p
WHERE p.oid=a.aggfnoid AND p.pronamespace=2200
ORDER BY p.proname

-- DBeaver: what inherits
SELECT i.inhrelid relid, pc.relnamespace parent_ns, pc.oid parent_oid, i.inhseqno
FROM pg_catalog.pg_inherits i, pg_class rc, pg_class pc
WHERE rc.oid=i.inhrelid AND rc.relnamespace=2200 AND pc.oid=i.inhparent

-- DBeaver: rights
SELECT * FROM pg_default_acl WHERE defaclnamespace = 2200

-- DBeaver: extensions
SELECT
 e.oid,
 cfg.tbls,
  n.nspname as schema_name,
 e.*
FROM
 pg_catalog.pg_extension e
 join pg_namespace n on n.oid =e.extnamespace
 left join  (
         select
            ARRAY_AGG(ns.nspname || '.' ||  cls.relname) tbls, oid_ext
          from
            (
            select
                unnest(e1.extconfig) oid , e1.oid oid_ext
            from
                pg_catalog.pg_extension e1 ) c
                join    pg_class cls on cls.oid = c.oid
                join pg_namespace ns on ns.oid = cls.relnamespace
            group by oid_ext
         ) cfg on cfg.oid_ext = e.oid
WHERE n.nspname = 'public'
ORDER BY e.oid

-- DBeaver: extensions that could be
SELECT name,default_version,installed_version,comment FROM pg_catalog.pg_available_extensions WHERE name = 'none' ORDER BY name

-- DBeaver: triggers of events
SELECT pet.*, d.description FROM pg_catalog.pg_event_trigger pet
LEFT OUTER JOIN pg_catalog.pg_description d ON pet."oid" = d.objoid

-- DBeaver: triggers of a table
SELECT x.oid,x.*,p.pronamespace as func_schema_id,d.description,pg_catalog.pg_get_triggerdef(x.oid) as definition
FROM pg_catalog.pg_trigger x
LEFT OUTER JOIN pg_catalog.pg_proc p ON p.oid=x.tgfoid
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=x.oid AND d.objsubid=0
WHERE x.tgrelid={things} AND NOT x.tgisinternal

-- DBeaver: rules of a table
SELECT r.oid,r.*,d.description,pg_catalog.pg_get_ruledef(r.oid) AS definition FROM pg_catalog.pg_rewrite r
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=r.oid AND d.objsubid=0 WHERE r.ev_class={things}

-- DBeaver: policies of a table
select * from pg_catalog.pg_policies where schemaname='public' and tablename='things'

-- DBeaver: how large tables are
select c.relname,pg_catalog.pg_total_relation_size(c.oid) >= 0 as total_rel_size,pg_catalog.pg_relation_size(c.oid) >= 0 as rel_size
FROM pg_class c
WHERE c.relnamespace=2200 AND c.relname = 'things'
--> things|t|t

-- DBeaver: what was counted of tables
SELECT relname, seq_scan IS NULL OR seq_scan >= 0 AS counted FROM pg_catalog.pg_stat_all_tables WHERE relid={things} AND 1 = 0

-- DBeaver: roles
SELECT a.rolname,a.rolcanlogin,pd.description FROM pg_catalog.pg_roles a
left join pg_catalog.pg_shdescription pd on a.oid = pd.objoid
WHERE a.rolname = 'ada'
ORDER BY a.rolname
--> ada|t|

-- DBeaver: members of roles
SELECT * FROM pg_catalog.pg_auth_members WHERE roleid=10 AND member <> 10 AND grantor = 0

-- DBeaver: settings of roles
select s.setconfig, pd.datname from pg_catalog.pg_db_role_setting s
left join pg_catalog.pg_database pd on s.setdatabase = pd.oid WHERE s.setrole = 10

-- DBeaver: access methods
SELECT am.oid,am.amname,am.amtype FROM pg_catalog.pg_am am WHERE amname IN ('heap', 'btree')
ORDER BY am.oid
--> 2|heap|t
--> 403|btree|i

-- DBeaver: encodings
SELECT c.contoencoding as encid,pg_catalog.pg_encoding_to_char(c.contoencoding) as encname
FROM pg_catalog.pg_conversion c
WHERE c.contoencoding = 999
GROUP BY c.contoencoding, pg_catalog.pg_encoding_to_char(c.contoencoding)
ORDER BY 2

-- DBeaver: collations
SELECT c.oid,c.collname FROM pg_catalog.pg_collation c WHERE c.collname = 'default'
ORDER BY c.oid
--> 100|default

-- DBeaver: languages
SELECT l.oid,l.* FROM pg_catalog.pg_language l WHERE l.lanname = 'none'
ORDER BY l.oid

-- DBeaver: wrappers and servers of others
SELECT l.oid,l.*,p.pronamespace as handler_schema_id
FROM pg_catalog.pg_foreign_data_wrapper l
LEFT OUTER JOIN pg_catalog.pg_proc p ON p.oid=l.fdwhandler
ORDER BY l.fdwname

-- DBeaver: tablespaces
SELECT t.spcname,pg_tablespace_location(t.oid) is null or true as loc FROM pg_catalog.pg_tablespace t WHERE t.spcname = 'pg_default'
ORDER BY t.oid
--> pg_default|t

-- DBeaver: settings
select name, setting, vartype, context from pg_catalog.pg_settings where name='search_path'
--> search_path|public|string|user

-- DBeaver: a view's text
SELECT pg_get_viewdef(c.oid, true) IS NULL OR true AS has_text FROM pg_class c WHERE relname = 'totals'
--> t

-- DBeaver: a table's rows, as its grid reads them
SELECT x.* FROM public.numbers x ORDER BY x.n LIMIT 2
--> 0
--> 1

-- DBeaver: how many rows there are
SELECT COUNT(*) FROM public.numbers
--> 1000

-- pgjdbc: words that are none of SQL's own
select string_agg(word, ',') from pg_catalog.pg_get_keywords() where word <> ALL ('{a,abs,absolute,all,any,select,from}'::text[]) AND word IN ('analyse', 'select')
--> analyse

-- pgjdbc: a key by its constraint, as from 42.7.13 on
SELECT result.TABLE_NAME AS "TABLE_NAME", result.COLUMN_NAME AS "COLUMN_NAME", result.KEY_SEQ AS "KEY_SEQ", result.PK_NAME AS "PK_NAME"
FROM (SELECT current_database() AS TABLE_CAT, n.nspname AS TABLE_SCHEM, ct.relname AS TABLE_NAME, a.attname AS COLUMN_NAME,
  (information_schema._pg_expandarray(con.conkey)).n AS KEY_SEQ, con.conname AS PK_NAME, information_schema._pg_expandarray(con.conkey) AS KEYS, a.attnum AS A_ATTNUM
  FROM pg_catalog.pg_constraint con JOIN pg_catalog.pg_class ct ON (con.conrelid = ct.oid) JOIN pg_catalog.pg_namespace n ON (ct.relnamespace = n.oid)
  JOIN pg_catalog.pg_attribute a ON (a.attrelid = ct.oid) WHERE con.contype = 'p'  AND n.nspname = 'public' AND ct.relname = 'readings' ) result
where  result.A_ATTNUM = (result.KEYS).x  ORDER BY result.table_name, result.pk_name, result.key_seq
--> readings|sensor|1|readings_pkey
--> readings|at|2|readings_pkey

-- pgjdbc: a type by its name
SELECT pg_type.oid, typname FROM pg_catalog.pg_type LEFT JOIN (select ns.oid as nspoid, ns.nspname, r.r from pg_namespace as ns
join ( select s.r, (current_schemas(false))[s.r] as nspname from generate_series(1, array_upper(current_schemas(false), 1)) as s(r) ) as r using ( nspname ) ) as sp
ON sp.nspoid = typnamespace WHERE typname = 'jsonb' ORDER BY sp.r, pg_type.oid DESC LIMIT 1
--> 3802|jsonb

-- pgjdbc: the array of a type
SELECT t.typarray, arr.typname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON t.typnamespace = n.oid JOIN pg_catalog.pg_type arr ON arr.oid = t.typarray
WHERE t.typname = 'text' AND (n.nspname = 'pg_catalog' OR true AND n.nspname = ANY (current_schemas(true))) ORDER BY t.oid DESC LIMIT 1
--> 1009|_text

-- pgjdbc: a type by its number
SELECT n.nspname = ANY(current_schemas(true)), n.nspname, t.typname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON t.typnamespace = n.oid WHERE t.oid = 1184
--> t|pg_catalog|timestamptz

-- pgjdbc: what an array's elements have between them
SELECT e.typdelim FROM pg_catalog.pg_type t, pg_catalog.pg_type e WHERE t.oid = 1009 and t.typelem = e.oid
--> ,

-- Npgsql: types
SELECT ns.nspname, t.oid, t.typname, t.typtype, t.typnotnull, t.elemtypoid
FROM (
    SELECT
        typ.oid, typ.typnamespace, typ.typname, typ.typtype, typ.typrelid, typ.typnotnull, typ.relkind,
        elemtyp.oid AS elemtypoid, elemtyp.typname AS elemtypname, elemcls.relkind AS elemrelkind,
        CASE WHEN elemproc.proname='array_recv' THEN 'a' ELSE elemtyp.typtype END AS elemtyptype
    FROM (
        SELECT typ.oid, typnamespace, typname, typrelid, typnotnull, relkind, typelem AS elemoid,
            CASE WHEN proc.proname='array_recv' THEN 'a' ELSE typ.typtype END AS typtype,
            CASE
                WHEN proc.proname='array_recv' THEN typ.typelem
                WHEN typ.typtype='r' THEN rngsubtype
                WHEN typ.typtype='m' THEN (SELECT rngtypid FROM pg_range WHERE rngmultitypid = typ.oid)
                WHEN typ.typtype='d' THEN typ.typbasetype
            END AS elemtypoid
        FROM pg_type AS typ
        LEFT JOIN pg_class AS cls ON (cls.oid = typ.typrelid)
        LEFT JOIN pg_proc AS proc ON proc.oid = typ.typreceive
        LEFT JOIN pg_range ON (pg_range.rngtypid = typ.oid)
    ) AS typ
    LEFT JOIN pg_type AS elemtyp ON elemtyp.oid = elemtypoid
    LEFT JOIN pg_class AS elemcls ON (elemcls.oid = elemtyp.typrelid)
    LEFT JOIN pg_proc AS elemproc ON elemproc.oid = elemtyp.typreceive
) AS t
JOIN pg_namespace AS ns ON (ns.oid = typnamespace)
WHERE typtype IN ('b', 'r', 'm', 'e', 'd', 'a') AND t.typname IN ('int8', '_int8', 'text')
ORDER BY CASE WHEN typtype IN ('b', 'e', 'p') THEN 0 WHEN typtype = 'r' THEN 1 WHEN typtype = 'm' THEN 2 WHEN typtype = 'a' THEN 5 END, t.typname
--> pg_catalog|20|int8|b|f|
--> pg_catalog|25|text|b|f|
--> pg_catalog|1016|_int8|a|f|20
