/* Types and field lists: INT, struct<a: int>, DECIMAL(10, 2), id STRING NOT NULL, ... */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "engine/sql/parser_private.h"

static const struct {
    const char *name;
    sl_type_id id;
} names[] = {
    { "BOOLEAN", SL_TYPE_BOOLEAN },
    { "TINYINT", SL_TYPE_BYTE },
    { "BYTE", SL_TYPE_BYTE },
    { "SMALLINT", SL_TYPE_SHORT },
    { "SHORT", SL_TYPE_SHORT },
    { "INT", SL_TYPE_INT },
    { "INTEGER", SL_TYPE_INT },
    { "BIGINT", SL_TYPE_LONG },
    { "LONG", SL_TYPE_LONG },
    { "FLOAT", SL_TYPE_FLOAT },
    { "REAL", SL_TYPE_FLOAT },
    { "DOUBLE", SL_TYPE_DOUBLE },
    { "STRING", SL_TYPE_STRING },
    { "VARCHAR", SL_TYPE_STRING },
    { "CHAR", SL_TYPE_STRING },
    { "BINARY", SL_TYPE_BINARY },
    { "DATE", SL_TYPE_DATE },
    { "TIMESTAMP", SL_TYPE_TIMESTAMP },
    { "TIMESTAMP_LTZ", SL_TYPE_TIMESTAMP },
    { "TIMESTAMP_NTZ", SL_TYPE_TIMESTAMP_NTZ },
    { "VOID", SL_TYPE_VOID },
};

static sl_code fail_unknown(const sl_parser *p, sl_error *err)
{
    const char *candidates[sizeof names / sizeof *names];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        candidates[i] = names[i].name;
    const char *near =
        sl_text_nearest(p->token.text, candidates, sizeof names / sizeof *names);
    sl_code code =
        sl_fail_as(err, SL_EPARSE, "UNSUPPORTED_DATATYPE", "0A000",
                   "Unsupported data type \"%.100s\"%s%s%s", p->token.text,
                   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    if (err != NULL) {
        err->line = p->token.pos.line;
        err->column = p->token.pos.column;
    }
    return code;
}

static sl_code parse_length(sl_parser *p, sl_error *err)
{
    bool open;
    SL_TRY(sl_parser__accept_symbol(p, "(", &open, err));
    if (!open)
        return SL_OK;
    if (p->token.kind != SL_TOK_INTEGER)
        return sl_parser__fail(p, err, "a length");
    SL_TRY(sl_parser__advance(p, err));
    return sl_parser__expect_symbol(p, ")", err);
}

static sl_code parse_struct(sl_parser *p, const sl_type **ret, sl_error *err)
{
    const sl_field *fields;
    uint32_t count;
    if (sl_parser__is_symbol(p, "<>")) {
        SL_TRY(sl_parser__advance(p, err));
        *ret = sl_type_struct(p->arena, NULL, 0);
        return SL_OK;
    }
    SL_TRY(sl_parser__expect_symbol(p, "<", err));
    SL_TRY(sl_parser__fields(p, true, &fields, &count, err));
    SL_TRY(sl_parser__expect_symbol(p, ">", err));
    *ret = sl_type_struct(p->arena, fields, count);
    return SL_OK;
}

sl_code sl_parser__type(sl_parser *p, const sl_type **ret, sl_error *err)
{
    if (p->token.kind != SL_TOK_WORD)
        return sl_parser__fail(p, err, "a data type");
    if (sl_parser__is_word(p, "STRUCT")) {
        SL_TRY(sl_parser__advance(p, err));
        SL_TRY(sl_parser__enter(p, err));
        SL_TRY(parse_struct(p, ret, err));
        p->depth--;
        return SL_OK;
    }
    static const char *const later[] = { "ARRAY",   "MAP",      "DECIMAL", "DEC",
                                         "NUMERIC", "INTERVAL", "VARIANT" };
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        if (!sl_parser__is_word(p, later[i]))
            continue;
        sl_code code = sl_fail_as(err, SL_EUNSUPPORTED, "UNSUPPORTED_DATATYPE", "0A000",
                                  "columns of type %s are not supported yet; declare the "
                                  "column STRING to get its JSON text",
                                  later[i]);
        if (err != NULL) {
            err->line = p->token.pos.line;
            err->column = p->token.pos.column;
        }
        return code;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!sl_parser__is_word(p, names[i].name))
            continue;
        SL_TRY(sl_parser__advance(p, err));
        if (names[i].id == SL_TYPE_STRING)
            SL_TRY(parse_length(p, err));
        *ret = sl_type_of(names[i].id);
        return SL_OK;
    }
    return fail_unknown(p, err);
}

sl_code sl_parser__fields(sl_parser *p, bool colon, const sl_field **ret,
                          uint32_t *ret_count, sl_error *err)
{
    sl_plist list = { 0 };
    bool more = true;
    while (more) {
        sl_field *f = SL_ARENA_NEW(p->arena, sl_field);
        bool hit;
        f->nullable = true;
        sl_sql_pos pos = p->token.pos;
        SL_TRY(sl_parser__name(p, "a column name", &f->name, err));
        for (uint32_t i = 0; i < list.count; i++) {
            if (!sl_text_equal_nocase(((const sl_field *)list.items[i])->name, f->name))
                continue;
            sl_code code =
                sl_fail_as(err, SL_EANALYSIS, "COLUMN_ALREADY_EXISTS", "42711",
                           "The column `%s` already exists. Choose another name or "
                           "rename the existing column.",
                           f->name);
            if (err != NULL) {
                err->line = pos.line;
                err->column = pos.column;
            }
            return code;
        }
        if (colon)
            SL_TRY(sl_parser__accept_symbol(p, ":", &hit, err));
        SL_TRY(sl_parser__type(p, &f->type, err));
        SL_TRY(sl_parser__accept_word(p, "NOT", &hit, err));
        if (hit) {
            SL_TRY(sl_parser__expect_word(p, "NULL", err));
            f->nullable = false;
        }
        SL_TRY(sl_parser__accept_word(p, "COMMENT", &hit, err));
        if (hit) {
            const char *comment;
            SL_TRY(sl_parser__string(p, "a comment in quotes", &comment, err));
        }
        sl_plist__add(&list, p->arena, f);
        if (list.count > SL_COLUMNS_MAX)
            return sl_parser__fail(p, err, "at most 4096 columns");
        SL_TRY(sl_parser__accept_symbol(p, ",", &more, err));
    }
    sl_field *fields = SL_ARENA_ARRAY(p->arena, sl_field, list.count);
    for (uint32_t i = 0; i < list.count; i++)
        fields[i] = *(const sl_field *)list.items[i];
    *ret = fields;
    *ret_count = list.count;
    return SL_OK;
}
