#include "engine/columnar/type.h"

#include <ctype.h>
#include <string.h>

#include "engine/columnar/text_private.h"

static const struct {
    const char *simple, *sql, *tree;
} names[SL_TYPE_COUNT] = {
    [SL_TYPE_VOID] = { "void", "VOID", "void" },
    [SL_TYPE_BOOLEAN] = { "boolean", "BOOLEAN", "boolean" },
    [SL_TYPE_BYTE] = { "tinyint", "TINYINT", "byte" },
    [SL_TYPE_SHORT] = { "smallint", "SMALLINT", "short" },
    [SL_TYPE_INT] = { "int", "INT", "integer" },
    [SL_TYPE_LONG] = { "bigint", "BIGINT", "long" },
    [SL_TYPE_FLOAT] = { "float", "FLOAT", "float" },
    [SL_TYPE_DOUBLE] = { "double", "DOUBLE", "double" },
    [SL_TYPE_DECIMAL] = { "decimal", "DECIMAL", "decimal" },
    [SL_TYPE_STRING] = { "string", "STRING", "string" },
    [SL_TYPE_BINARY] = { "binary", "BINARY", "binary" },
    [SL_TYPE_DATE] = { "date", "DATE", "date" },
    [SL_TYPE_TIMESTAMP] = { "timestamp", "TIMESTAMP", "timestamp" },
    [SL_TYPE_TIMESTAMP_NTZ] = { "timestamp_ntz", "TIMESTAMP_NTZ", "timestamp_ntz" },
    [SL_TYPE_INTERVAL_DAY_TIME] = { "interval day to second", "INTERVAL DAY TO SECOND",
                                    "interval day to second" },
    [SL_TYPE_INTERVAL_YEAR_MONTH] = { "interval year to month", "INTERVAL YEAR TO MONTH",
                                      "interval year to month" },
    [SL_TYPE_STRUCT] = { "struct", "STRUCT", "struct" },
    [SL_TYPE_ARRAY] = { "array", "ARRAY", "array" },
    [SL_TYPE_MAP] = { "map", "MAP", "map" },
};

const char *sl_type_tree_name(const sl_type *t)
{
    return names[t->id].tree;
}

static void append_fields_simple(const sl_field *fields, uint32_t count, sl_bytes *out)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i != 0)
            sl_bytes_char(out, ',');
        sl_bytes_text(out, fields[i].name);
        sl_bytes_char(out, ':');
        sl_type_simple(fields[i].type, out);
    }
}

void sl_type_simple(const sl_type *t, sl_bytes *out)
{
    sl_bytes_text(out, names[t->id].simple);
    if (t->id == SL_TYPE_DECIMAL) {
        sl_bytes_printf(out, "(%u,%u)", t->precision, t->scale);
    } else if (t->id == SL_TYPE_STRUCT) {
        sl_bytes_char(out, '<');
        append_fields_simple(t->fields, t->field_count, out);
        sl_bytes_char(out, '>');
    } else if (t->id == SL_TYPE_ARRAY || t->id == SL_TYPE_MAP) {
        for (uint32_t i = 0; i < t->field_count; i++) {
            sl_bytes_char(out, i == 0 ? '<' : ',');
            sl_type_simple(t->fields[i].type, out);
        }
        sl_bytes_char(out, '>');
    }
}

void sl_schema_simple(const sl_schema *s, sl_bytes *out)
{
    sl_bytes_text(out, "struct<");
    append_fields_simple(s->fields, s->field_count, out);
    sl_bytes_char(out, '>');
}

/* Letters, digits and underscores, not digits only: what needs no backticks. */
static bool is_plain_name(const char *name)
{
    bool digits_only = true;
    for (const char *p = name; *p != '\0'; p++) {
        if (!isalnum((unsigned char)*p) && *p != '_')
            return false;
        digits_only = digits_only && isdigit((unsigned char)*p);
    }
    return !digits_only;
}

static void append_quoted_name(const char *name, sl_bytes *out)
{
    if (is_plain_name(name)) {
        sl_bytes_text(out, name);
        return;
    }
    sl_bytes_char(out, '`');
    for (const char *p = name; *p != '\0'; p++) {
        if (*p == '`')
            sl_bytes_char(out, '`');
        sl_bytes_char(out, *p);
    }
    sl_bytes_char(out, '`');
}

void sl_type_sql(const sl_type *t, sl_bytes *out)
{
    sl_bytes_text(out, names[t->id].sql);
    if (t->id == SL_TYPE_DECIMAL)
        sl_bytes_printf(out, "(%u,%u)", t->precision, t->scale);
    if (t->id < SL_TYPE_STRUCT)
        return;
    sl_bytes_char(out, '<');
    for (uint32_t i = 0; i < t->field_count; i++) {
        const sl_field *f = &t->fields[i];
        if (i != 0)
            sl_bytes_text(out, ", ");
        if (t->id == SL_TYPE_STRUCT) {
            append_quoted_name(f->name, out);
            sl_bytes_text(out, ": ");
        }
        sl_type_sql(f->type, out);
        if (t->id == SL_TYPE_STRUCT && !f->nullable)
            sl_bytes_text(out, " NOT NULL");
    }
    sl_bytes_char(out, '>');
}

/* ---- printSchema ---- */

static void append_tree(const sl_type *t, uint32_t level, sl_bytes *out);

/* One line " |    |-- name: type", its "(label = true)" if label, and what is below. */
static void append_tree_line(const char *name, const sl_field *f, const char *label,
                             uint32_t level, sl_bytes *out)
{
    for (uint32_t i = 0; i < level; i++)
        sl_bytes_text(out, " |   ");
    sl_bytes_text(out, " |-- ");
    sl_text__escape(name, strlen(name), out);
    sl_bytes_text(out, ": ");
    sl_bytes_text(out, sl_type_tree_name(f->type));
    if (f->type->id == SL_TYPE_DECIMAL)
        sl_bytes_printf(out, "(%u,%u)", f->type->precision, f->type->scale);
    if (label != NULL)
        sl_bytes_printf(out, " (%s = %s)", label, f->nullable ? "true" : "false");
    sl_bytes_char(out, '\n');
    append_tree(f->type, level + 1, out);
}

static void append_tree(const sl_type *t, uint32_t level, sl_bytes *out)
{
    if (t->id == SL_TYPE_STRUCT) {
        for (uint32_t i = 0; i < t->field_count; i++)
            append_tree_line(t->fields[i].name, &t->fields[i], "nullable", level, out);
    } else if (t->id == SL_TYPE_ARRAY) {
        append_tree_line("element", &t->fields[0], "containsNull", level, out);
    } else if (t->id == SL_TYPE_MAP) {
        append_tree_line("key", &t->fields[0], NULL, level, out);
        append_tree_line("value", &t->fields[1], "valueContainsNull", level, out);
    }
}

void sl_schema_tree(const sl_schema *s, sl_bytes *out)
{
    sl_type root = { .id = SL_TYPE_STRUCT,
                     .field_count = s->field_count,
                     .fields = s->fields };
    sl_bytes_text(out, "root\n");
    append_tree(&root, 0, out);
    sl_bytes_char(out, '\n');
}
