-- Views of the catalogs over others. What is not here and has no rows of its own is empty.

-- pg_catalog.pg_tables
SELECT n.nspname AS schemaname, c.relname AS tablename, pg_get_userbyid(c.relowner) AS tableowner, NULL::name AS tablespace,
       c.relhasindex AS hasindexes, c.relhasrules AS hasrules, c.relhastriggers AS hastriggers, c.relrowsecurity AS rowsecurity
FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')

-- pg_catalog.pg_views
SELECT n.nspname AS schemaname, c.relname AS viewname, pg_get_userbyid(c.relowner) AS viewowner, pg_get_viewdef(c.oid) AS definition
FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'v'

-- pg_catalog.pg_indexes
SELECT n.nspname AS schemaname, c.relname AS tablename, i.relname AS indexname, NULL::name AS tablespace, pg_get_indexdef(i.oid) AS indexdef
FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
     LEFT JOIN pg_namespace n ON n.oid = c.relnamespace

-- pg_catalog.pg_roles
SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolconnlimit,
       '********'::text AS rolpassword, rolvaliduntil, rolbypassrls, NULL::text[] AS rolconfig, oid
FROM pg_authid

-- pg_catalog.pg_user
SELECT rolname AS usename, oid AS usesysid, rolcreatedb AS usecreatedb, rolsuper AS usesuper, rolreplication AS userepl,
       rolbypassrls AS usebypassrls, '********'::text AS passwd, rolvaliduntil AS valuntil, NULL::text[] AS useconfig
FROM pg_authid WHERE rolcanlogin

-- pg_catalog.pg_shadow
SELECT rolname AS usename, oid AS usesysid, rolcreatedb AS usecreatedb, rolsuper AS usesuper, rolreplication AS userepl,
       rolbypassrls AS usebypassrls, '********'::text AS passwd, rolvaliduntil AS valuntil, NULL::text[] AS useconfig
FROM pg_authid WHERE rolcanlogin

-- pg_catalog.pg_stat_all_tables
SELECT c.oid AS relid, n.nspname AS schemaname, c.relname AS relname, 0::int8 AS seq_scan, NULL::timestamptz AS last_seq_scan,
       0::int8 AS seq_tup_read, NULL::int8 AS idx_scan, NULL::timestamptz AS last_idx_scan, NULL::int8 AS idx_tup_fetch,
       0::int8 AS n_tup_ins, 0::int8 AS n_tup_upd, 0::int8 AS n_tup_del, 0::int8 AS n_tup_hot_upd, 0::int8 AS n_tup_newpage_upd,
       0::int8 AS n_live_tup, 0::int8 AS n_dead_tup, 0::int8 AS n_mod_since_analyze, 0::int8 AS n_ins_since_vacuum,
       NULL::timestamptz AS last_vacuum, NULL::timestamptz AS last_autovacuum, NULL::timestamptz AS last_analyze,
       NULL::timestamptz AS last_autoanalyze, 0::int8 AS vacuum_count, 0::int8 AS autovacuum_count, 0::int8 AS analyze_count,
       0::int8 AS autoanalyze_count
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 't', 'm', 'p')

-- pg_catalog.pg_stat_user_tables
SELECT * FROM pg_stat_all_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')

-- pg_catalog.pg_stat_sys_tables
SELECT * FROM pg_stat_all_tables WHERE schemaname IN ('pg_catalog', 'information_schema')

-- pg_catalog.pg_statio_all_tables
SELECT c.oid AS relid, n.nspname AS schemaname, c.relname AS relname, 0::int8 AS heap_blks_read, 0::int8 AS heap_blks_hit,
       NULL::int8 AS idx_blks_read, NULL::int8 AS idx_blks_hit, NULL::int8 AS toast_blks_read, NULL::int8 AS toast_blks_hit,
       NULL::int8 AS tidx_blks_read, NULL::int8 AS tidx_blks_hit
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 't', 'm')

-- pg_catalog.pg_statio_user_tables
SELECT * FROM pg_statio_all_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')

-- pg_catalog.pg_statio_sys_tables
SELECT * FROM pg_statio_all_tables WHERE schemaname IN ('pg_catalog', 'information_schema')

-- information_schema.information_schema_catalog_name
SELECT current_database() AS catalog_name

-- information_schema.schemata
SELECT current_database() AS catalog_name, n.nspname AS schema_name, pg_get_userbyid(n.nspowner) AS schema_owner,
       NULL AS default_character_set_catalog, NULL AS default_character_set_schema, NULL AS default_character_set_name, NULL AS sql_path
FROM pg_namespace n

-- information_schema.tables
SELECT current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
       CASE WHEN c.relkind IN ('r', 'p') THEN 'BASE TABLE' WHEN c.relkind = 'v' THEN 'VIEW' WHEN c.relkind = 'f' THEN 'FOREIGN' END AS table_type,
       NULL AS self_referencing_column_name, NULL AS reference_generation, NULL AS user_defined_type_catalog,
       NULL AS user_defined_type_schema, NULL AS user_defined_type_name, 'NO' AS is_insertable_into, 'NO' AS is_typed, NULL AS commit_action
FROM pg_namespace n JOIN pg_class c ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'f', 'p')

-- information_schema.views
SELECT current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name, pg_get_viewdef(c.oid) AS view_definition,
       'NONE' AS check_option, 'NO' AS is_updatable, 'NO' AS is_insertable_into, 'NO' AS is_trigger_updatable,
       'NO' AS is_trigger_deletable, 'NO' AS is_trigger_insertable_into
FROM pg_namespace n JOIN pg_class c ON n.oid = c.relnamespace
WHERE c.relkind = 'v'

-- information_schema.columns
SELECT current_database() AS table_catalog, nc.nspname AS table_schema, c.relname AS table_name, a.attname AS column_name,
       a.attnum AS ordinal_position, NULL AS column_default, CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable,
       CASE WHEN t.typelem <> 0 AND t.typlen = -1 THEN 'ARRAY' WHEN t.typtype = 'c' THEN 'USER-DEFINED' ELSE format_type(a.atttypid, NULL) END AS data_type,
       NULL::int4 AS character_maximum_length,
       CASE WHEN a.atttypid IN (25, 1042, 1043) THEN 1073741824 END AS character_octet_length,
       CASE a.atttypid WHEN 21 THEN 16 WHEN 23 THEN 32 WHEN 20 THEN 64 WHEN 700 THEN 24 WHEN 701 THEN 53 END AS numeric_precision,
       CASE WHEN a.atttypid IN (21, 23, 20, 700, 701) THEN 2 WHEN a.atttypid = 1700 THEN 10 END AS numeric_precision_radix,
       CASE WHEN a.atttypid IN (21, 23, 20) THEN 0 END AS numeric_scale,
       CASE WHEN a.atttypid = 1082 THEN 0 WHEN a.atttypid IN (1083, 1114, 1184, 1186, 1266) THEN 6 END AS datetime_precision,
       NULL AS interval_type, NULL::int4 AS interval_precision, NULL AS character_set_catalog, NULL AS character_set_schema,
       NULL AS character_set_name, NULL AS collation_catalog, NULL AS collation_schema, NULL AS collation_name,
       NULL AS domain_catalog, NULL AS domain_schema, NULL AS domain_name, current_database() AS udt_catalog, nt.nspname AS udt_schema,
       t.typname AS udt_name, NULL AS scope_catalog, NULL AS scope_schema, NULL AS scope_name, NULL::int4 AS maximum_cardinality,
       a.attnum::text AS dtd_identifier, 'NO' AS is_self_referencing, 'NO' AS is_identity, NULL AS identity_generation,
       NULL AS identity_start, NULL AS identity_increment, NULL AS identity_maximum, NULL AS identity_minimum, 'NO' AS identity_cycle,
       'NEVER' AS is_generated, NULL AS generation_expression, 'NO' AS is_updatable
FROM pg_attribute a JOIN pg_class c ON a.attrelid = c.oid JOIN pg_namespace nc ON c.relnamespace = nc.oid
     JOIN pg_type t ON a.atttypid = t.oid JOIN pg_namespace nt ON t.typnamespace = nt.oid
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v', 'f', 'p')

-- information_schema.element_types
SELECT current_database() AS object_catalog, nc.nspname AS object_schema, c.relname AS object_name, 'TABLE' AS object_type,
       a.attnum::text AS collection_type_identifier, format_type(t.typelem, NULL) AS data_type,
       NULL::int4 AS character_maximum_length, NULL::int4 AS character_octet_length, NULL AS character_set_catalog,
       NULL AS character_set_schema, NULL AS character_set_name, NULL AS collation_catalog, NULL AS collation_schema,
       NULL AS collation_name, NULL::int4 AS numeric_precision, NULL::int4 AS numeric_precision_radix, NULL::int4 AS numeric_scale,
       NULL::int4 AS datetime_precision, NULL AS interval_type, NULL::int4 AS interval_precision, NULL AS domain_default,
       current_database() AS udt_catalog, nt.nspname AS udt_schema, e.typname AS udt_name, NULL AS scope_catalog, NULL AS scope_schema,
       NULL AS scope_name, NULL::int4 AS maximum_cardinality, 'a' || a.attnum::text AS dtd_identifier
FROM pg_attribute a JOIN pg_class c ON a.attrelid = c.oid JOIN pg_namespace nc ON c.relnamespace = nc.oid
     JOIN pg_type t ON a.atttypid = t.oid JOIN pg_type e ON t.typelem = e.oid JOIN pg_namespace nt ON e.typnamespace = nt.oid
WHERE a.attnum > 0 AND t.typlen = -1 AND c.relkind IN ('r', 'v', 'f', 'p')

-- information_schema.table_privileges
SELECT current_user AS grantor, current_user AS grantee, current_database() AS table_catalog, n.nspname AS table_schema,
       c.relname AS table_name, 'SELECT' AS privilege_type, 'NO' AS is_grantable, 'YES' AS with_hierarchy
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v', 'f', 'p')

-- information_schema.role_table_grants
SELECT * FROM information_schema.table_privileges

-- information_schema.column_privileges
SELECT current_user AS grantor, current_user AS grantee, current_database() AS table_catalog, n.nspname AS table_schema,
       c.relname AS table_name, a.attname AS column_name, 'SELECT' AS privilege_type, 'NO' AS is_grantable
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.attnum > 0 AND c.relkind IN ('r', 'v', 'f', 'p')

-- information_schema.role_column_grants
SELECT * FROM information_schema.column_privileges

-- information_schema.enabled_roles
SELECT rolname AS role_name FROM pg_authid

-- information_schema.character_sets
SELECT NULL AS character_set_catalog, NULL AS character_set_schema, 'UTF8' AS character_set_name, 'UCS' AS character_repertoire,
       'UTF8' AS form_of_use, current_database() AS default_collate_catalog, 'pg_catalog' AS default_collate_schema, 'C' AS default_collate_name

-- information_schema.collations
SELECT current_database() AS collation_catalog, n.nspname AS collation_schema, c.collname AS collation_name, 'NO PAD' AS pad_attribute
FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace

-- information_schema.routines
SELECT current_database() AS specific_catalog, n.nspname AS specific_schema, p.proname || '_' || p.oid::text AS specific_name,
       current_database() AS routine_catalog, n.nspname AS routine_schema, p.proname AS routine_name,
       CASE p.prokind WHEN 'f' THEN 'FUNCTION' WHEN 'p' THEN 'PROCEDURE' END AS routine_type,
       NULL AS module_catalog, NULL AS module_schema, NULL AS module_name, NULL AS udt_catalog, NULL AS udt_schema, NULL AS udt_name,
       format_type(p.prorettype, NULL) AS data_type, NULL::int4 AS character_maximum_length, NULL::int4 AS character_octet_length,
       NULL AS character_set_catalog, NULL AS character_set_schema, NULL AS character_set_name, NULL AS collation_catalog,
       NULL AS collation_schema, NULL AS collation_name, NULL::int4 AS numeric_precision, NULL::int4 AS numeric_precision_radix,
       NULL::int4 AS numeric_scale, NULL::int4 AS datetime_precision, NULL AS interval_type, NULL::int4 AS interval_precision,
       current_database() AS type_udt_catalog, nt.nspname AS type_udt_schema, t.typname AS type_udt_name, NULL AS scope_catalog,
       NULL AS scope_schema, NULL AS scope_name, NULL::int4 AS maximum_cardinality, '0' AS dtd_identifier,
       'EXTERNAL' AS routine_body, NULL AS routine_definition, NULL AS external_name, upper(l.lanname) AS external_language,
       'GENERAL' AS parameter_style, CASE WHEN p.provolatile = 'i' THEN 'YES' ELSE 'NO' END AS is_deterministic, 'MODIFIES' AS sql_data_access,
       CASE WHEN p.proisstrict THEN 'YES' ELSE 'NO' END AS is_null_call, NULL AS sql_path, 'YES' AS schema_level_routine,
       0::int4 AS max_dynamic_result_sets, NULL AS is_user_defined_cast, NULL AS is_implicitly_invocable, 'INVOKER' AS security_type,
       NULL AS to_sql_specific_catalog, NULL AS to_sql_specific_schema, NULL AS to_sql_specific_name, 'NO' AS as_locator,
       NULL::timestamptz AS created, NULL::timestamptz AS last_altered, NULL AS new_savepoint_level, 'NO' AS is_udt_dependent,
       NULL AS result_cast_from_data_type, NULL AS result_cast_as_locator, NULL::int4 AS result_cast_char_max_length,
       NULL::int4 AS result_cast_char_octet_length, NULL AS result_cast_char_set_catalog, NULL AS result_cast_char_set_schema,
       NULL AS result_cast_char_set_name, NULL AS result_cast_collation_catalog, NULL AS result_cast_collation_schema,
       NULL AS result_cast_collation_name, NULL::int4 AS result_cast_numeric_precision, NULL::int4 AS result_cast_numeric_precision_radix,
       NULL::int4 AS result_cast_numeric_scale, NULL::int4 AS result_cast_datetime_precision, NULL AS result_cast_interval_type,
       NULL::int4 AS result_cast_interval_precision, NULL AS result_cast_type_udt_catalog, NULL AS result_cast_type_udt_schema,
       NULL AS result_cast_type_udt_name, NULL AS result_cast_scope_catalog, NULL AS result_cast_scope_schema,
       NULL AS result_cast_scope_name, NULL::int4 AS result_cast_maximum_cardinality, NULL AS result_cast_dtd_identifier
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
     LEFT JOIN pg_type t ON t.oid = p.prorettype LEFT JOIN pg_namespace nt ON nt.oid = t.typnamespace
