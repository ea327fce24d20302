/* replay.c - main() of a fuzz target without a fuzzer: feeds it the files of the folders
 * given, in order of name, and an empty input. */
#include <dirent.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

static void feed_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat info;
    if (f == NULL || fstat(fileno(f), &info) != 0) {
        perror(path);
        exit(1);
    }
    /* Exactly as large as the input, so that a sanitizer sees a read past it. */
    size_t size = (size_t)info.st_size;
    uint8_t *data = malloc(size + (size == 0));
    if (data == NULL || fread(data, 1, size, f) != size) {
        perror(path);
        exit(1);
    }
    fclose(f);
    printf("%s\n", path);
    fflush(stdout); /* the last name printed is the one that crashed */
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
}

static int feed_folder(const char *folder)
{
    struct dirent **names;
    int count = scandir(folder, &names, NULL, alphasort), fed = 0;
    if (count < 0) {
        perror(folder);
        exit(1);
    }
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        if (names[i]->d_name[0] != '.') {
            feed_file(path);
            fed++;
        }
        free(names[i]);
    }
    free(names);
    return fed;
}

int main(int argc, char **argv)
{
    int fed = 0;
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        fed += feed_folder(argv[i]);
    printf("%d inputs\n", fed);
    return fed > 0 ? 0 : 1;
}
