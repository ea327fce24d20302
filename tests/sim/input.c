#include "tests/sim/input.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"

#define LARGE_ONE_IN 25u

struct draw {
    uint64_t (*random)(void *user);
    void *user;
};

static uint32_t below(const struct draw *d, uint32_t n)
{
    return (uint32_t)(d->random(d->user) % n);
}

void sim_key_text(const sim_input *in, uint32_t key, char ret[64])
{
    snprintf(ret, 64, in->is_large ? "k%05u, too long to be kept within a view" : "k%u",
             key);
}

void sim_time_text(int64_t second, char ret[32])
{
    time_t t = (time_t)(SIM_EPOCH_S + second);
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(ret, 32, "%Y-%m-%d %H:%M:%S", &tm);
}

static void make_file(sim_input *in, const struct draw *d, sl_fs *fs, uint32_t source,
                      uint32_t file, int64_t base_s)
{
    sl_bytes text = { 0 };
    char path[64], key[64], time[32];
    uint32_t rows = in->is_large ? 1500 + below(d, 500) : 2 + below(d, 12);
    in->rows = (sim_row *)sl_realloc(in->rows,
                                     (in->row_count + (size_t)rows) * sizeof *in->rows);
    for (uint32_t i = 0; i < rows; i++) {
        sim_row *r = &in->rows[in->row_count++];
        *r = (sim_row){ .source = source,
                        .batch = file / in->files_per_batch,
                        .key = below(d, in->is_large ? 3000 : 5),
                        .second = base_s + below(d, 50) };
        if (r->second > in->newest_s[source])
            in->newest_s[source] = r->second;
        sim_key_text(in, r->key, key);
        sim_time_text(r->second, time);
        sl_bytes_printf(&text, "{\"id\":\"%s\",\"ts\":\"%s\"}\n", key, time);
    }
    snprintf(path, sizeof path, "/in%u/f%02u.json", source, file);
    if (sl_fs_write_new(fs, path, sl_bytes_span(&text), NULL) != SL_OK)
        abort();
    sl_bytes_deinit(&text);
}

void sim_input_make(sim_input *in, sl_fs *fs, uint64_t (*random)(void *user), void *user)
{
    struct draw d = { random, user };
    *in = (sim_input){ .files_per_batch = 1 + below(&d, 2) };
    in->is_large = below(&d, LARGE_ONE_IN) == 0;
    for (uint32_t source = 0; source < SIM_SOURCES; source++) {
        char dir[16];
        uint32_t files = in->is_large ? 2 + below(&d, 2) : 3 + below(&d, 6);
        int64_t base_s = 0;
        snprintf(dir, sizeof dir, "/in%u", source);
        if (sl_fs_make_dirs(fs, dir, NULL) != SL_OK)
            abort();
        for (uint32_t file = 0; file < files; file++) {
            make_file(in, &d, fs, source, file, base_s);
            base_s += 20 + below(&d, 200);
        }
        in->batches[source] = (files - 1) / in->files_per_batch + 1;
    }
}

void sim_input_deinit(sim_input *in)
{
    sl_free(in->rows);
    *in = (sim_input){ 0 };
}
