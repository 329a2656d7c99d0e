"""Functions that only compute: those that sqlglot doesn't know and a reading statement may call.

Whatever isn't here counts as one that may write: `pg_terminate_backend`, `lo_import`, `dblink`,
`set_config` and a team's own functions are called like any other, and a read-only transaction
keeps none of them from reaching outside of it.
"""

_BOTH = "acos asin atan atan2 cos sin tan cot degrees radians pi power mod trunc sign printf format"

PURE = {
    "postgres": frozenset(
        f"""
        {_BOTH} cbrt div factorial gcd lcm log10 log2 scale min_scale trim_scale sinh cosh tanh
        asinh acosh atanh sind cosd tand random
        bit_length octet_length overlay btrim quote_ident quote_literal quote_nullable
        convert_from convert_to get_byte get_bit to_hex to_ascii unistr normalize
        string_to_array
        string_to_table array_to_string regexp_count regexp_instr regexp_like regexp_match
        regexp_matches regexp_split_to_array regexp_split_to_table regexp_substr
        starts_with parse_ident
        md5 sha224 sha256 sha384 sha512 crc32 crc32c encode decode
        array_append array_cat array_dims array_fill array_length array_lower array_ndims
        array_position array_positions array_prepend array_remove array_replace array_upper
        cardinality trim_array array_sample array_shuffle
        age clock_timestamp date_bin date_part isfinite justify_days justify_hours
        justify_interval
        make_date make_interval make_time make_timestamp make_timestamptz statement_timestamp
        timeofday transaction_timestamp to_timestamp to_date to_number
        to_json to_jsonb array_to_json row_to_json json_build_array jsonb_build_array
        json_build_object jsonb_build_object json_object jsonb_object json_array_elements
        jsonb_array_elements json_array_elements_text jsonb_array_elements_text
        json_array_length
        jsonb_array_length json_each jsonb_each json_each_text jsonb_each_text json_extract_path
        jsonb_extract_path json_extract_path_text jsonb_extract_path_text json_object_keys
        jsonb_object_keys json_populate_record jsonb_populate_record json_to_record
        jsonb_to_record
        json_to_recordset jsonb_to_recordset json_strip_nulls jsonb_strip_nulls
        jsonb_set jsonb_insert
        jsonb_path_exists jsonb_path_match jsonb_path_query jsonb_path_query_array
        jsonb_path_query_first jsonb_pretty json_typeof jsonb_typeof jsonb_agg jsonb_object_agg
        bool_and bool_or every bit_and bit_or bit_xor corr covar_pop covar_samp regr_slope
        regr_intercept regr_r2 regr_count mode percentile_cont percentile_disc range_agg
        cume_dist dense_rank ntile percent_rank nth_value
        lower_inc upper_inc lower_inf upper_inf isempty range_merge multirange
        int4range int8range numrange tsrange tstzrange daterange
        to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_rank
        ts_rank_cd ts_headline setweight strip numnode querytree ts_lexize similarity
        word_similarity
        host hostmask masklen netmask network set_masklen family broadcast inet_same_family
        gen_random_uuid uuidv4 uuidv7 uuid_extract_timestamp
        pg_typeof pg_column_size pg_relation_size pg_table_size pg_total_relation_size
        pg_indexes_size pg_database_size pg_size_pretty pg_get_viewdef pg_get_constraintdef
        pg_get_indexdef pg_get_expr format_type obj_description col_description version
        current_database current_schema current_schemas has_table_privilege has_column_privilege
        has_schema_privilege to_regclass pg_table_is_visible num_nonnulls num_nulls
        generate_subscripts row pg_sleep xmin
        """.split()
    ),
    "sqlite": frozenset(
        f"""
        {_BOTH} ceiling ln log10 log2 random randomblob zeroblob hex unhex quote char
        unicode instr
        ltrim rtrim likely unlikely likelihood total total_changes changes last_insert_rowid
        julianday unixepoch timediff date time datetime octet_length concat concat_ws string_agg
        soundex glob like format sqlite_version sqlite_source_id nullif iif
        json json_array json_array_length json_error_position json_extract json_insert
        json_object
        json_patch json_pretty json_quote json_remove json_replace json_set json_type json_valid
        json_group_array json_group_object json_each json_tree jsonb jsonb_array jsonb_extract
        jsonb_object jsonb_group_array jsonb_group_object jsonb_set jsonb_remove
        dense_rank percent_rank cume_dist ntile nth_value group_concat bm25 highlight
        snippet match
        """.split()
    ),
}
