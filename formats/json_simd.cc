// The only file that sees simdjson.  Exceptions stay off: every call is noexcept.
#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include <cstddef>

extern "C" {

bool sl_json__utf8_valid(const char *text, size_t length)
{
    return simdjson::validate_utf8(text, length);
}

bool sl_json__strict_valid(const char *text, size_t length)
{
    simdjson::dom::parser parser;
    simdjson::dom::element element;
    return parser.parse(text, length, true).get(element) == simdjson::SUCCESS;
}
}
