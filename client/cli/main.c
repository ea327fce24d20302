#include "base/alloc.h"
#include "client/cli/cli.h"

int main(int argc, char **argv)
{
    sl_alloc_configure();
    return sl_cli_main(argc, argv);
}
