#include "base/alloc.h"
#include "client/cli/cli.h"
#include "client/cluster/launcher.h"

int main(int argc, char **argv)
{
    sl_alloc_configure();
    sl_launcher_set_entry(sl_cli_main, argc, argv);
    return sl_cli_main(argc, argv);
}
