/* json_private.h - the parts of the JSON reader, bottom up: tokens, fields and values,
 * position index, blocks of a file, layouts of lines. */

#ifndef SL_FORMATS_JSON_PRIVATE_H
#define SL_FORMATS_JSON_PRIVATE_H

#include "formats/json_read.h"

#define SL_JSON__DEPTH_MAX 1000u /* nesting; Jackson's limit, and bounds recursion */
#define SL_JSON__WINDOW_BYTES ((size_t)32 << 10) /* indexed at a time: stays in L1/L2 */
#define SL_JSON__CORRUPT_BYTES_MAX                                                       \
    ((size_t)64 << 10) /* kept of a line over the limit                                  \
                        */

/* ---- json_simd.cc: the door to simdjson ---- */
bool sl_json__utf8_valid(const char *text, size_t length);
/* A whole strict JSON document by simdjson's DOM; tests compare with it. */
bool sl_json__strict_valid(const char *text, size_t length);

/* ---- json_parse.c: the general parser (Jackson's rules with Spark's options) ---- */
typedef enum sl_json__kind {
    SL_JSON__ABSENT,
    SL_JSON__NULL,
    SL_JSON__TRUE,
    SL_JSON__FALSE,
    SL_JSON__INT,
    SL_JSON__FLOAT,
    SL_JSON__NON_NUMERIC, /* NaN, Infinity, ... */
    SL_JSON__STRING,
    SL_JSON__OBJECT,
    SL_JSON__ARRAY,
} sl_json__kind;

/* [begin, end) in the line, with quotes or brackets. */
typedef struct sl_json__token {
    sl_json__kind kind;
    bool escaped; /* STRING: has a backslash */
    bool bare;    /* an unquoted name */
    const char *begin, *end;
} sl_json__token;

typedef struct sl_json__cursor {
    const char *at, *end;
    const sl_json_options *options;
} sl_json__cursor;

typedef void sl_json__visit(const sl_json__token *key, const sl_json__token *value,
                            void *user);

void sl_json__skip_space(sl_json__cursor *c);
/* One value at the cursor (no space before), checked to its last byte. */
bool sl_json__read_token(sl_json__cursor *c, uint32_t depth, sl_json__token *ret);
/* The members of an object whose '{' is at the cursor; visit may be NULL. */
bool sl_json__read_object(sl_json__cursor *c, uint32_t depth, sl_json__visit *visit,
                          void *user);
/* The text of a string or name. Without escapes it is borrowed from the line, else
 * decoded into scratch (cleared first). */
sl_span sl_json__token_text(const sl_json__token *t, sl_bytes *scratch);

/* ---- json_fields.c: the wanted fields, and values into their columns ---- */
typedef struct sl_json__field {
    const char *name; /* borrowed; NULL never matches (corrupt record) */
    size_t name_length;
    const sl_type *type;
    uint32_t child_count; /* STRUCT, and the root */
    struct sl_json__field *children;
    sl_json__token *slots; /* a token for each child: of the object last collected */
    uint32_t hint;         /* child after the one found last */
} sl_json__field;

typedef struct sl_json__store {
    const sl_time_zone *zone;
    const sl_json_options *options;
    sl_buffer *block;   /* what tokens point into; NULL: copy long strings */
    sl_bytes key, text; /* scratch */
} sl_json__store;

SL_CHECKED sl_code sl_json__field_init(sl_json__field *f, const char *name,
                                       const sl_type *type, sl_error *err);
void sl_json__field_deinit(sl_json__field *f);
/* Index of the child a key names, -1 if none is wanted. */
int32_t sl_json__field_find(sl_json__field *f, const sl_json__token *key,
                            sl_bytes *scratch);
/* Append the token's value to b. *ret_bad: the type does not fit (null was appended). */
SL_CHECKED sl_code sl_json__put(sl_json__store *s, sl_json__field *f,
                                const sl_json__token *t, sl_column_builder *b,
                                bool *ret_bad, sl_error *err);
/* Undo what was appended as row `row` (b may hold row or row + 1 rows). */
void sl_json__undo(sl_column_builder *b, uint32_t row);
bool sl_json__number_double(const char *text, size_t length, double *ret);

/* ---- json_index.c: stage 1 ---- */
typedef struct sl_json__index {
    uint32_t *positions; /* of each quote, backslash and control byte; room for n + 64 */
    uint32_t count;
    bool ascii;
} sl_json__index;

/* data has 64 readable bytes after n. */
typedef void sl_json__index_kernel(const uint8_t *data, size_t n, sl_json__index *ret);
sl_json__index_kernel *sl_json__index_pick(void);
void sl_json__index_scalar(const uint8_t *data, size_t n, sl_json__index *ret);

static inline bool sl_json__is_line_end(char c)
{
    return c == '\n' || c == '\r';
}
/* Next line end in [at, end), NULL if none. */
const char *sl_json__line_end(const char *at, const char *end);

/* ---- json_feed.c: whole lines of a range, block by block ---- */
typedef struct sl_json__feed {
    sl_file *file;
    const char *name;
    sl_budget *budget;
    int64_t end;     /* of the range */
    int64_t read_at; /* next byte to read from the file */
    size_t block_bytes, row_bytes_max;
    sl_buffer *block;              /* current, NULL at first */
    int64_t block_at;              /* file offset of its first byte */
    size_t used;                   /* bytes read into it */
    size_t lines_begin, lines_end; /* whole lines, each with its line end */
    size_t searched;               /* from lines_begin to here: no line end */
    bool eof, done, skipping;
    bool oversize; /* [lines_begin, lines_end) is the start of a line over the limit */
} sl_json__feed;

void sl_json__feed_init(sl_json__feed *f, const sl_json_read_request *q);
void sl_json__feed_deinit(sl_json__feed *f);
/* Move to the next lines; *ret_more false at the end of the range. */
SL_CHECKED sl_code sl_json__feed_next(sl_json__feed *f, bool *ret_more, sl_error *err);
/* How much of a line over the limit is kept for the corrupt record column: the same
 * wherever blocks and ranges end. */
size_t sl_json__kept_length(const sl_json__feed *f, const char *line);

/* ---- json_layout.c: what lines look like ---- */
#define SL_JSON__LAYOUTS_MAX 8u
#define SL_JSON__SEGMENTS_MAX 256u

typedef enum sl_json__action {
    SL_JSON__SKIP,
    SL_JSON__PUT_STRING,
    SL_JSON__PUT_LONG,
    SL_JSON__PUT_INT,
    SL_JSON__PUT_TIMESTAMP,
    SL_JSON__PUT_OTHER,
    SL_JSON__TAIL, /* no value follows: the end of the line */
} sl_json__action;

/* The text before a value: from the end of the value before it. */
typedef struct sl_json__segment {
    uint64_t words[4], masks[4]; /* its first 32 bytes */
    const char *text;
    uint32_t length;
    uint32_t marks; /* positions of the index inside it */
    uint32_t column;
    sl_json__action action;
} sl_json__segment;

typedef struct sl_json__layout {
    char *text; /* owns: the line it was learnt from */
    uint32_t segment_count;
    sl_json__segment *segments; /* owns; the last one is TAIL */
    uint32_t missing_count;
    uint32_t *missing; /* columns without a value, owns */
} sl_json__layout;

/* Where the values of a line lay; filled by the general parser. */
typedef struct sl_json__trace {
    uint32_t count; /* past SEGMENTS_MAX: too many */
    bool repeated;  /* a column was named twice */
    struct {
        const char *begin, *end;
        int32_t column;
    } values[SL_JSON__SEGMENTS_MAX];
} sl_json__trace;

/* False if such lines cannot be scanned. */
bool sl_json__layout_learn(const sl_json__trace *trace, const char *line,
                           const char *line_end, const sl_json__field *root,
                           sl_json__layout *ret);
void sl_json__layout_deinit(sl_json__layout *l);

/* ---- json_scan.c: stage 2 ---- */
typedef struct sl_json__column {
    sl_column_builder b;
    sl_timestamp_memo minute; /* of a TIMESTAMP column */
    uint8_t *values;          /* of the builder: rows are written directly */
    sl_buffer *shared;        /* block the builder was last given */
} sl_json__column;

typedef struct sl_json__scan {
    const char *data; /* of the window */
    const char *data_end;
    const uint32_t *positions;
    sl_json__store *store;
    sl_json__field *root;
    sl_json__column *columns;
    uint32_t column_count;
    bool dirty; /* something was appended that must be undone if the line differs */
} sl_json__scan;

typedef enum sl_json__outcome {
    SL_JSON__SCANNED, /* row written, *at and *mark past the line end */
    SL_JSON__DIFFERS, /* not this layout, or something only the parser can judge */
    SL_JSON__FAILED,  /* *err says why */
} sl_json__outcome;

/* Scan the line at *at; *mark is the first position of the index at or after it. On
 * DIFFERS the row may be half written: undo it if dirty. */
sl_json__outcome sl_json__scan_line(sl_json__scan *s, const sl_json__layout *l,
                                    uint32_t row, const char **at, uint32_t *mark,
                                    sl_error *err);

#endif /* SL_FORMATS_JSON_PRIVATE_H */
