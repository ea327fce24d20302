/* A layout is learnt from a line the general parser took: the bytes between its values.
 * Whoever finds the same bytes around well-formed values has a line of the same shape:
 * same keys, same order, same spacing, hence the same columns. */
#include <string.h>

#include "base/alloc.h"
#include "formats/json_private.h"

static sl_json__action action_for(const sl_type *type)
{
    switch (type->id) {
    case SL_TYPE_STRING:
        return SL_JSON__PUT_STRING;
    case SL_TYPE_LONG:
        return SL_JSON__PUT_LONG;
    case SL_TYPE_INT:
        return SL_JSON__PUT_INT;
    case SL_TYPE_TIMESTAMP:
        return SL_JSON__PUT_TIMESTAMP;
    default:
        return SL_JSON__PUT_OTHER;
    }
}

static uint32_t count_marks(const char *text, uint32_t length)
{
    uint32_t marks = 0;
    for (uint32_t i = 0; i < length; i++)
        marks += (unsigned char)text[i] < 0x20 || text[i] == '"' || text[i] == '\\';
    return marks;
}

static void set_segment(sl_json__segment *s, const char *text, uint32_t length)
{
    uint8_t bytes[32] = { 0 }, mask[32] = { 0 };
    uint32_t n = length < 32 ? length : 32;
    memcpy(bytes, text, n);
    memset(mask, 0xff, n);
    memcpy(s->words, bytes, 32);
    memcpy(s->masks, mask, 32);
    s->text = text;
    s->length = length;
    s->marks = count_marks(text, length);
}

/* After the last value: spaces and one brace. (Spark ignores what follows the object; a
 * line with such a rest is left to the parser.) */
static bool is_plain_tail(const char *p, const char *end)
{
    uint32_t braces = 0;
    for (; p < end; p++) {
        if (*p == '}')
            braces++;
        else if (*p != ' ' && *p != '\t' && *p != '{') /* "{}" has no value before */
            return false;
    }
    return braces == 1;
}

static void list_missing(sl_json__layout *l, const sl_json__field *root)
{
    l->missing = sl_alloc(((size_t)root->child_count + 1) * sizeof *l->missing);
    for (uint32_t c = 0; c < root->child_count; c++) {
        bool found = false;
        for (uint32_t i = 0; i + 1 < l->segment_count && !found; i++)
            found = l->segments[i].action != SL_JSON__SKIP && l->segments[i].column == c;
        if (!found)
            l->missing[l->missing_count++] = c;
    }
}

bool sl_json__layout_learn(const sl_json__trace *trace, const char *line,
                           const char *line_end, const sl_json__field *root,
                           sl_json__layout *ret)
{
    uint32_t n = trace->count;
    if (n > SL_JSON__SEGMENTS_MAX || trace->repeated ||
        memchr(line, '\0', (size_t)(line_end - line)) != NULL)
        return false;
    const char *tail = n != 0 ? trace->values[n - 1].end : line;
    if (!is_plain_tail(tail, line_end))
        return false;

    sl_json__layout l = { .segment_count = n + 1 };
    size_t length = (size_t)(line_end - line);
    l.text = sl_alloc(length + 1);
    memcpy(l.text, line, length);
    l.segments = sl_calloc(n + 1, sizeof *l.segments);
    const char *at = line;
    for (uint32_t i = 0; i < n; i++) {
        sl_json__segment *s = &l.segments[i];
        set_segment(s, l.text + (at - line), (uint32_t)(trace->values[i].begin - at));
        int32_t column = trace->values[i].column;
        s->action = column < 0 ? SL_JSON__SKIP : action_for(root->children[column].type);
        s->column = column < 0 ? 0 : (uint32_t)column;
        at = trace->values[i].end;
    }
    set_segment(&l.segments[n], l.text + (at - line), (uint32_t)(line_end - at));
    l.segments[n].action = SL_JSON__TAIL;
    list_missing(&l, root);
    *ret = l;
    return true;
}

void sl_json__layout_deinit(sl_json__layout *l)
{
    sl_free(l->text);
    sl_free(l->segments);
    sl_free(l->missing);
    *l = (sl_json__layout){ 0 };
}
