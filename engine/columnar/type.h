/* type.h - the types of values, and schemas.
 *
 * Immutable trees in somebody's arena (or static); compare with sl_type_equal().
 *
 * Shape of a column of each type (see column.h):
 *   BOOLEAN bit-packed uint64_t words        BYTE int8  SHORT int16
 *   INT int32_t   LONG int64_t   FLOAT float  DOUBLE double
 *   DATE int32_t days since 1970-01-01       TIMESTAMP int64_t us since 1970-01-01 UTC
 *   TIMESTAMP_NTZ int64_t us, no zone        INTERVAL_DAY_TIME int64_t us
 *   INTERVAL_YEAR_MONTH int32_t months
 *   STRING, BINARY sl_string_view (16 bytes) STRUCT a child column per field
 *   VOID nothing: all null
 * DECIMAL, ARRAY and MAP are named here so that messages can print them; columns of them
 * come later.
 *
 * Source: Spark's types; names as spark:O16. */

#ifndef SL_ENGINE_COLUMNAR_TYPE_H
#define SL_ENGINE_COLUMNAR_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"

typedef enum sl_type_id {
    SL_TYPE_VOID,
    SL_TYPE_BOOLEAN,
    SL_TYPE_BYTE,
    SL_TYPE_SHORT,
    SL_TYPE_INT,
    SL_TYPE_LONG,
    SL_TYPE_FLOAT,
    SL_TYPE_DOUBLE,
    SL_TYPE_DECIMAL,
    SL_TYPE_STRING,
    SL_TYPE_BINARY,
    SL_TYPE_DATE,
    SL_TYPE_TIMESTAMP,
    SL_TYPE_TIMESTAMP_NTZ,
    SL_TYPE_INTERVAL_DAY_TIME,
    SL_TYPE_INTERVAL_YEAR_MONTH,
    SL_TYPE_STRUCT,
    SL_TYPE_ARRAY,
    SL_TYPE_MAP,
    SL_TYPE_COUNT
} sl_type_id;

typedef struct sl_type sl_type;
typedef struct sl_field sl_field;

struct sl_type {
    sl_type_id id;
    uint8_t precision, scale; /* DECIMAL */
    uint32_t field_count;     /* STRUCT; 1 for ARRAY (element), 2 for MAP (key, value) */
    const sl_field *fields;
};

struct sl_field {
    const char *name;
    const sl_type *type;
    bool nullable;
    bool is_window;             /* made by window(): spark:W10's marker */
    bool has_watermark;         /* an event-time column: */
    int64_t watermark_delay_us; /* its delay */
    uint32_t watermark_id;      /* which WATERMARK node of the query it came from */
};

typedef struct sl_schema {
    uint32_t field_count;
    const sl_field *fields;
} sl_schema;

/* The scalar types: static, never freed. */
const sl_type *sl_type_of(sl_type_id id); /* not for DECIMAL, STRUCT, ARRAY, MAP */
const sl_type *sl_type_struct(sl_arena *arena, const sl_field *fields,
                              uint32_t count); /* copies fields */
/* struct<start: t, end: t>, both nullable: what window() makes (spark:W9). */
const sl_type *
sl_type_window(const sl_type *time_type); /* TIMESTAMP or TIMESTAMP_NTZ; static */

bool sl_type_equal(
    const sl_type *a,
    const sl_type *b); /* names of struct fields count, nullability does not */
bool sl_type_is_numeric(const sl_type *t);
bool sl_type_is_integral(const sl_type *t);
uint32_t sl_type_width(const sl_type *t); /* bytes a row in the values buffer; 0 for
                                             BOOLEAN, STRUCT, VOID; 16 for strings */

/* "int", "bigint", "struct<a:int,b:string>" (DDL / simpleString, as DESCRIBE and --json
 * print) */
void sl_type_simple(const sl_type *t, sl_bytes *out);
/* "INT", "BIGINT", "STRUCT<a: INT>" as in Spark's error messages */
void sl_type_sql(const sl_type *t, sl_bytes *out);
/* "integer", "long": as printSchema names it (spark:O16) */
const char *sl_type_tree_name(const sl_type *t);
/* printSchema's text (spark 5.5) with the final empty line. */
void sl_schema_tree(const sl_schema *s, sl_bytes *out);
/* "struct<id:string,action:string>" */
void sl_schema_simple(const sl_schema *s, sl_bytes *out);

/* Index of a field by exact name, else by case-insensitive name; -1 if none, -2 if
 * ambiguous. */
int32_t sl_schema_find(const sl_schema *s, const char *name);

/* Deep copy into an arena. */
const sl_type *sl_type_copy(const sl_type *t, sl_arena *arena);
sl_schema *sl_schema_copy(const sl_schema *s, sl_arena *arena);

/* Fragment codec: a type or schema as bytes, depth-limited when read. */
void sl_type_write(const sl_type *t, sl_bytes *out);
SL_CHECKED sl_code sl_type_read(sl_reader *r, sl_arena *arena, const sl_type **ret,
                                sl_error *err);
void sl_schema_write(const sl_schema *s, sl_bytes *out);
SL_CHECKED sl_code sl_schema_read(sl_reader *r, sl_arena *arena, sl_schema **ret,
                                  sl_error *err);

#endif /* SL_ENGINE_COLUMNAR_TYPE_H */
