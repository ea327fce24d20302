/* stest.h - `sluice test`: tests of streaming SQL in virtual time (docs/stest.md).
 *
 * A .stest file is SQL and directives.  Driver and worker, the real code, run in this
 * process on the virtual host, the virtual file system and the model of RocksDB: no
 * thread, no real file, no clock, so a file takes milliseconds and always does the same.
 * With --master local-cluster[W,N] they run as processes instead, in real time.
 * TAP on standard output.
 *
 * Thread: main. */

#ifndef SL_CLIENT_STEST_STEST_H
#define SL_CLIENT_STEST_STEST_H

/* Arguments after the word `test`. 0: all passed, 1: some did not, 2: wrong usage, or a
 * file that cannot be read. */
int sl_stest_main(int argc, char **argv);

#endif /* SL_CLIENT_STEST_STEST_H */
