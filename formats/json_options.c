#include "formats/json_options.h"

#include <string.h>

#include "base/text.h"

const char *const sl_json_read_option_names[] = {
    "mode",
    "columnNameOfCorruptRecord",
    "timeZone",
    "lineSep",
    "multiLine",
    "encoding",
    "charset",
    "locale",
    "samplingRatio",
    "dateFormat",
    "timestampFormat",
    "timestampNTZFormat",
    "inferTimestamp",
    "enableDateTimeParsingFallback",
    "primitivesAsString",
    "prefersDecimal",
    "dropFieldIfAllNull",
    "allowComments",
    "allowUnquotedFieldNames",
    "allowSingleQuotes",
    "allowNumericLeadingZeros",
    "allowBackslashEscapingAnyCharacter",
    "allowUnquotedControlChars",
    "allowNonNumericNumbers",
    "compression",
};
const uint32_t sl_json_read_option_count =
    sizeof sl_json_read_option_names / sizeof *sl_json_read_option_names;

const char *const sl_json_write_option_names[] = {
    "timeZone",        "lineSep",          "encoding",    "dateFormat",
    "timestampFormat", "ignoreNullFields", "compression", "timestampNTZFormat",
};
const uint32_t sl_json_write_option_count =
    sizeof sl_json_write_option_names / sizeof *sl_json_write_option_names;

/* An option that must have one of these values if it is given. */
typedef struct fixed_option {
    const char *name;
    const char *allowed[4];
    const char *why;
} fixed_option;

static const fixed_option READ_FIXED[] = {
    { "multiLine", { "false" }, "a record is a line here; write one object a line" },
    { "encoding", { "UTF-8", "utf8" }, "convert the files to UTF-8" },
    { "charset", { "UTF-8", "utf8" }, "convert the files to UTF-8" },
    { "locale", { "en-US" }, "formats are fixed" },
    { "samplingRatio", { "1.0", "1" }, "inference reads every line" },
    { "dateFormat", { "yyyy-MM-dd" }, "read the column as STRING and convert it" },
    { "timestampFormat",
      { "yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]" },
      "read the column as STRING and convert it" },
    { "timestampNTZFormat",
      { "yyyy-MM-dd'T'HH:mm:ss[.SSS]" },
      "read the column as STRING and convert it" },
    { "inferTimestamp", { "false" }, "give a schema" },
    { "enableDateTimeParsingFallback", { "true" }, "the lenient parser is always tried" },
    { "prefersDecimal", { "false" }, "decimals are not supported yet" },
    { "lineSep", { "\n", "\r", "\r\n", "\\n" }, "lines end with \\n, \\r or \\r\\n" },
    { "compression", { "none", "uncompressed" }, "unpack the files first" },
};

static const fixed_option WRITE_FIXED[] = {
    { "lineSep", { "\n", "\\n" }, "lines end with \\n" },
    { "encoding", { "UTF-8", "utf8" }, "files are UTF-8" },
    { "dateFormat", { "yyyy-MM-dd" }, "convert the column to STRING first" },
    { "timestampFormat",
      { "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]" },
      "convert the column to STRING first" },
    { "timestampNTZFormat",
      { "yyyy-MM-dd'T'HH:mm:ss.SSS", "yyyy-MM-dd'T'HH:mm:ss[.SSS]" },
      "convert the column to STRING first" },
    { "ignoreNullFields", { "true" }, "null fields are left out" },
    { "compression", { "none", "uncompressed" }, "compress the files afterwards" },
};

static bool is_allowed(const fixed_option *f, const char *value)
{
    for (size_t i = 0; i < 4 && f->allowed[i] != NULL; i++)
        if (sl_text_equal_nocase(f->allowed[i], value))
            return true;
    return false;
}

static sl_code check_fixed(const sl_option_list *list, const fixed_option *fixed,
                           size_t count, sl_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *value = sl_option_list_get(list, fixed[i].name);
        if (value != NULL && !is_allowed(&fixed[i], value))
            return sl_fail(err, SL_EUNSUPPORTED,
                           "JSON option %s = '%s' is not supported, only '%s': %s",
                           fixed[i].name, value, fixed[i].allowed[0], fixed[i].why);
    }
    return SL_OK;
}

static sl_code read_mode(const sl_option_list *list, sl_json_mode *ret, sl_error *err)
{
    static const char *const NAMES[] = { "PERMISSIVE", "DROPMALFORMED", "FAILFAST" };
    const char *value = sl_option_list_get(list, "mode");
    for (uint32_t i = 0; value != NULL && i < 3; i++)
        if (sl_text_equal_nocase(value, NAMES[i])) {
            *ret = (sl_json_mode)i;
            return SL_OK;
        }
    if (value != NULL)
        return sl_fail(err, SL_EOPTION,
                       "option mode is '%s'; expected PERMISSIVE, DROPMALFORMED or "
                       "FAILFAST",
                       value);
    *ret = SL_JSON_PERMISSIVE;
    return SL_OK;
}

static sl_code read_flags(const sl_option_list *list, sl_json_options *o, sl_error *err)
{
    const struct {
        const char *name;
        bool fallback;
        bool *ret;
    } flags[] = {
        { "allowComments", false, &o->allow_comments },
        { "allowUnquotedFieldNames", false, &o->allow_unquoted_names },
        { "allowSingleQuotes", true, &o->allow_single_quotes },
        { "allowNumericLeadingZeros", false, &o->allow_leading_zeros },
        { "allowBackslashEscapingAnyCharacter", false, &o->allow_any_escape },
        { "allowUnquotedControlChars", false, &o->allow_control_chars },
        { "allowNonNumericNumbers", true, &o->allow_non_numeric },
        { "primitivesAsString", false, &o->primitives_as_string },
        { "dropFieldIfAllNull", false, &o->drop_field_if_all_null },
    };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        SL_TRY(sl_option_list_bool(list, flags[i].name, flags[i].fallback, flags[i].ret,
                                   err));
    return SL_OK;
}

sl_code sl_json_read_options(const sl_option_list *list, sl_json_options *ret,
                             sl_error *err)
{
    sl_json_options o = { 0 };
    SL_TRY(check_fixed(list, READ_FIXED, sizeof READ_FIXED / sizeof *READ_FIXED, err));
    SL_TRY(read_mode(list, &o.mode, err));
    SL_TRY(read_flags(list, &o, err));

    const char *corrupt = sl_option_list_get(list, "columnNameOfCorruptRecord");
    corrupt = corrupt != NULL ? corrupt : "_corrupt_record";
    size_t length = strlen(corrupt);
    if (length == 0 || length >= sizeof o.corrupt_column)
        return sl_fail(
            err, SL_EOPTION,
            "option columnNameOfCorruptRecord has %zu bytes; expected 1 to %zu", length,
            sizeof o.corrupt_column - 1);
    memcpy(o.corrupt_column, corrupt, length + 1);

    const char *zone = sl_option_list_get(list, "timeZone");
    if (zone != NULL)
        SL_TRY(sl_time_zone_find(zone, &o.zone, err));
    *ret = o;
    return SL_OK;
}

sl_code sl_json_check_write_options(const sl_option_list *list, sl_error *err)
{
    return check_fixed(list, WRITE_FIXED, sizeof WRITE_FIXED / sizeof *WRITE_FIXED, err);
}
