/* Which connectors there are, by name. */
#include "connectors/registry.h"
#include "base/text.h"
#include "connectors/connectors_private.h"

static const sl_connector connectors[] = {
#define C(name, source, reader, sink, writer) { name, source, reader, sink, writer },
#include "connectors/connectors.def"
#undef C
};

#define COUNT (sizeof connectors / sizeof *connectors)

uint32_t sl_connector_count(void)
{
    return COUNT;
}

const sl_connector *sl_connector_get(uint32_t i)
{
    return &connectors[i];
}

static const sl_connector *find(const char *name)
{
    for (size_t i = 0; i < COUNT; i++)
        if (sl_text_equal_nocase(connectors[i].name, name))
            return &connectors[i];
    return NULL;
}

static sl_code fail_unknown(const char *name, bool sink, sl_error *err)
{
    const char *names[COUNT];
    uint32_t n = 0;
    for (size_t i = 0; i < COUNT; i++)
        if (sink ? connectors[i].sink != NULL : connectors[i].source != NULL)
            names[n++] = connectors[i].name;
    const char *near = sl_text_nearest(name, names, n);
    sl_bytes known = { 0 };
    for (uint32_t i = 0; i < n; i++)
        sl_bytes_printf(&known, "%s%s", i == 0 ? "" : ", ", names[i]);
    sl_code code =
        sl_fail_as(err, SL_EANALYSIS, "DATA_SOURCE_NOT_FOUND", "42K02",
                   "Failed to find the %s: %.100s. %s%s%s", sink ? "sink" : "data source",
                   name, near != NULL ? "Did you mean " : "Known: ",
                   near != NULL ? near : sl_bytes_cstr(&known), near != NULL ? "?" : ".");
    sl_bytes_deinit(&known);
    return code;
}

sl_code sl_source_class_find(const char *connector, const sl_source_class **ret,
                             sl_error *err)
{
    const sl_connector *c = find(connector);
    if (c == NULL || c->source == NULL)
        return fail_unknown(connector, false, err);
    *ret = c->source;
    return SL_OK;
}

sl_code sl_sink_class_find(const char *connector, const sl_sink_class **ret,
                           sl_error *err)
{
    const sl_connector *c = find(connector);
    if (c == NULL || c->sink == NULL)
        return fail_unknown(connector, true, err);
    *ret = c->sink;
    return SL_OK;
}

sl_code sl_source_reader_open(const sl_read_request *request, sl_source_reader **ret,
                              sl_error *err)
{
    const sl_connector *c = find(request->connector);
    if (c == NULL || c->reader == NULL)
        return fail_unknown(request->connector, false, err);
    return c->reader->open(request, ret, err);
}

sl_code sl_source_reader_next(sl_source_reader *r, sl_chunk **ret_chunk, sl_error *err)
{
    return r->class->next(r, ret_chunk, err);
}

void sl_source_reader_stats(const sl_source_reader *r, sl_read_stats *ret)
{
    r->class->stats(r, ret);
}

void sl_source_reader_close(sl_source_reader *r)
{
    if (r != NULL)
        r->class->close(r);
}

sl_code sl_sink_writer_open(const sl_write_request *request, sl_sink_writer **ret,
                            sl_error *err)
{
    const sl_connector *c = find(request->connector);
    if (c == NULL || c->writer == NULL)
        return fail_unknown(request->connector, true, err);
    return c->writer->open(request, ret, err);
}

sl_code sl_sink_writer_write(sl_sink_writer *w, const sl_chunk *chunk, sl_error *err)
{
    return w->class->write(w, chunk, err);
}

sl_code sl_sink_writer_finish(sl_sink_writer *w, bool *ret_has_file, sl_staged_file *ret,
                              sl_error *err)
{
    return w->class->finish(w, ret_has_file, ret, err);
}

void sl_sink_writer_close(sl_sink_writer *w)
{
    if (w != NULL)
        w->class->close(w);
}
