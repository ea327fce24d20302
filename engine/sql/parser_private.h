/* parser_private.h - the state the parser's files share, and what each offers the others.
 *
 * Recursive descent with one token of look-ahead, plus a second one for the few places
 * that need it. The first error is kept; every function returns at once after it. */

#ifndef SL_ENGINE_SQL_PARSER_PRIVATE_H
#define SL_ENGINE_SQL_PARSER_PRIVATE_H

#include "engine/sql/lexer_private.h"

typedef struct sl_parser {
    sl_lexer lexer;
    sl_arena *arena;
    sl_token token;  /* the next one, not consumed */
    sl_token ahead;  /* the one after it */
    size_t last_end; /* where the consumed token ended */
    sl_sql_pos last_end_pos;
    uint32_t depth;
} sl_parser;

/* A list that grows in the arena. */
typedef struct sl_plist {
    void **items;
    uint32_t count, capacity;
} sl_plist;

SL_CHECKED sl_code sl_parser__start(sl_parser *p, sl_error *err);
SL_CHECKED sl_code sl_parser__advance(sl_parser *p, sl_error *err);
bool sl_parser__is_word(const sl_parser *p,
                        const char *word); /* keyword at hand, any case */
bool sl_parser__ahead_is_word(const sl_parser *p,
                              const char *word); /* keyword after it */
bool sl_parser__is_symbol(const sl_parser *p, const char *symbol);
/* Consume it if it is there. */
SL_CHECKED sl_code sl_parser__accept_word(sl_parser *p, const char *word, bool *ret,
                                          sl_error *err);
SL_CHECKED sl_code sl_parser__accept_symbol(sl_parser *p, const char *symbol, bool *ret,
                                            sl_error *err);
SL_CHECKED sl_code sl_parser__expect_word(sl_parser *p, const char *word, sl_error *err);
SL_CHECKED sl_code sl_parser__expect_symbol(sl_parser *p, const char *symbol,
                                            sl_error *err);
SL_CHECKED sl_code sl_parser__name(sl_parser *p, const char *what, const char **ret,
                                   sl_error *err);
/* a.b.c */
SL_CHECKED sl_code sl_parser__path(sl_parser *p, const char *what,
                                   const char *const **ret_parts, uint32_t *ret_count,
                                   sl_error *err);
SL_CHECKED sl_code sl_parser__string(sl_parser *p, const char *what, const char **ret,
                                     sl_error *err);
/* "Syntax error at or near 'x': expected <what>". */
SL_CHECKED sl_code sl_parser__fail(const sl_parser *p, sl_error *err,
                                   const char *expected);
SL_CHECKED sl_code sl_parser__enter(
    sl_parser *p, sl_error *err); /* one level deeper; leave with p->depth-- */
bool sl_parser__ends_item(
    const sl_parser *p); /* a word here begins a clause, so it is no alias */
void sl_plist__add(sl_plist *l, sl_arena *arena, const void *item);

SL_CHECKED sl_code sl_parser__expr(sl_parser *p, const sl_uexpr **ret, sl_error *err);
SL_CHECKED sl_code sl_parser__expr_list(sl_parser *p, const sl_uexpr *const **ret,
                                        uint32_t *ret_count, sl_error *err);
/* e under the name at hand. */
SL_CHECKED sl_code sl_parser__alias(sl_parser *p, const sl_uexpr *e, const sl_uexpr **ret,
                                    sl_error *err);
/* parse_literal.c: the number at hand, its minus read already; what follows INTERVAL. */
SL_CHECKED sl_code sl_parser__number(sl_parser *p, bool negative, sl_sql_pos pos,
                                     const sl_uexpr **ret, sl_error *err);
SL_CHECKED sl_code sl_parser__interval(sl_parser *p, sl_sql_pos pos, const sl_uexpr **ret,
                                       sl_error *err);
SL_CHECKED sl_code sl_parser__type(sl_parser *p, const sl_type **ret, sl_error *err);
/* name TYPE [NOT NULL] [COMMENT '..'], ... up to (not including) a closing symbol. colon:
 * struct<a: int> */
SL_CHECKED sl_code sl_parser__fields(sl_parser *p, bool colon, const sl_field **ret,
                                     uint32_t *ret_count, sl_error *err);
SL_CHECKED sl_code sl_parser__query(sl_parser *p, const sl_relation **ret, sl_error *err);
/* (name value, 'name' = value, ...) with the parentheses */
SL_CHECKED sl_code sl_parser__options(sl_parser *p, sl_option_list *ret, sl_error *err);
SL_CHECKED sl_code sl_parser__statement(sl_parser *p, sl_statement **ret, sl_error *err);

sl_uexpr *sl_uexpr__new(sl_parser *p, sl_uexpr_kind kind, sl_sql_pos pos);
const sl_uexpr *sl_uexpr__call(sl_parser *p, const char *name, sl_sql_pos pos,
                               const sl_uexpr *const *args, uint32_t count);

#endif /* SL_ENGINE_SQL_PARSER_PRIVATE_H */
