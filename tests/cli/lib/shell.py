"""`sluice sql` as a person uses it: shell.py SLUICE MASTER HOME."""
import os
import stat
import sys
import time

from terminal import Terminal

sluice, master, home = sys.argv[1:4]
PROMPT, MORE = "sluice> ", r"   \.\.\.> "
CLEARED = r"\^C.*?sluice> "  # by Ctrl-C; a prompt alone may be one that a print or completion drew again


# The answer to a Ctrl-C whatever the shell does just now: the line, or the statement, is over, and it asks anew.
ANSWERED = r"(\^C|given up).*?sluice> "


def start():
    t = Terminal([sluice, "sql", "--master", master], environment={"HOME": home, "XDG_STATE_HOME": ""})
    t.wait(PROMPT)
    return t


t = start()
# statements of several lines, answers as tables
t.type("SELECT 1 AS one,\r")
t.wait(MORE)
t.type("2 AS two;\r")
t.wait(r"\|one\|two\|.*\|  1\|  2\|.*1 row.*" + PROMPT)
# an error points at its place and the shell goes on
t.type("SELECT nope FROM nothing;\r")
t.wait(r"TABLE_OR_VIEW_NOT_FOUND.*line 1, column 18.*SELECT nope FROM nothing;\r\n +\^.*" + PROMPT)
# Ctrl-C at the prompt throws the line away, also the lines before it
t.type("SELECT 'thrown\r")
t.wait(MORE)
t.type("away'\x03")
t.wait(r"\^C.*" + PROMPT)
t.type("SELECT 3 AS three;\r")
t.wait(r"\|three\|.*\|    3\|.*" + PROMPT)
# Tab: a word of SQL, a table, its column, a setting; what is open is listed
t.type("CREATE TABLE ticking (timestamp TIMESTAMP, value BIGINT) USING rate OPTIONS (rowsPerSecond 10);\r")
t.wait("done.*" + PROMPT)
t.type("SHOW COLU\t")
t.wait("MNS ")  # only what Tab added is written
t.type("FROM tick\t")
t.wait("ing ")
t.type(";\r")
t.wait(r"\|timestamp\|.*\|    value\|.*" + PROMPT)
t.type("select coa\t")
t.wait("lesce ")
t.type("\x03")
t.wait(CLEARED)
t.type("SET sluice.state.part\t")
t.wait("itions ")
t.type("\x03")
t.wait(CLEARED)
t.type("SHOW TABLE\t")
t.wait(r"\r\nTABLES +TABLESAMPLE|\r\nTABLE +TABLES")
t.type("\x03")
t.wait(CLEARED)
# a streaming query runs beside: what it prints leaves the line being typed whole
t.type(
    "CREATE STREAMING QUERY beside OUTPUT MODE append TRIGGER PROCESSING TIME '500 ms' INTO console "
    "AS SELECT value FROM STREAM ticking;\r"
)
t.wait("done.*" + PROMPT)
t.type("SELECT 5 AS fi")
t.wait(r"Batch: \d+.*\+-----\+.*sluice> SELECT 5 AS fi")
t.wait(r"Batch: \d+.*\+-----\+.*sluice> SELECT 5 AS fi")
t.type("ve;\r")
t.wait(r"\|five\|.*\|   5\|")
# waiting for it: Ctrl-C ends the wait, not the query and not the shell
t.type("AWAIT STREAMING QUERY beside;\r")
t.wait(r"AWAIT STREAMING QUERY beside;\r\n")
t.wait(r"Batch: \d+")
t.type("\x03")
t.wait("given up.*" + PROMPT)
t.type("SELECT count(*) AS still FROM VALUES (1), (2) AS v(x);\r")
t.wait(r"\|still\|.*\|    2\|")
t.wait(r"Batch: \d+")  # it goes on
t.type("STOP STREAMING QUERY bes\t;\r")
t.wait("ide .*done")
# a Ctrl-C is answered once, whenever it comes: right behind a key (whose byte it takes from the keyboard's queue while
# the shell is about to read it), in a search, and between Enter and the statement's start
t.type("CREATE STREAMING QUERY silent INTO noop AS SELECT value FROM STREAM ticking;\r")
t.wait("done.*" + PROMPT)
for i in range(40):
    for keys in ("x", "\x12a", "\u00e9", "AWAIT STREAMING QUERY silent;\r"):
        t.type(keys)
        time.sleep(i % 20 * 0.0001)
        t.type("\x03")
        t.wait(ANSWERED)
t.type("SELECT 6 AS six;\r")  # and no Ctrl-C is left over
t.wait(r"\|six\|.*\|  6\|.*" + PROMPT)
t.type("STOP STREAMING QUERY silent;\r")
t.wait("done.*" + PROMPT)
# a query that fails says so by itself
t.type("CREATE STREAMING QUERY failing OUTPUT MODE append INTO console AS SELECT 1 / (value - value) AS z FROM STREAM ticking;\r")
t.wait(r"STREAM_FAILED.*failing.*DIVIDE_BY_ZERO")
t.type("\x03")
t.wait(CLEARED)
# leaving says what runs
t.type(
    "CREATE STREAMING QUERY last OUTPUT MODE append TRIGGER PROCESSING TIME '1 second' INTO console AS SELECT value FROM STREAM ticking;\r"
)
t.wait("done")
t.wait(PROMPT)
t.type("\x04")
t.wait("goes on at the cluster: last|ends at its batch boundary .*: last")
t.leave()

# the history is there in the next shell, for its owner only; statements thrown away are not in it
mode = stat.S_IMODE(os.stat(f"{home}/.sluice_history").st_mode)
assert mode == 0o600, f"the history has mode {mode:o}"
t = start()
t.type("\x12two\r")  # Ctrl-R
t.wait("2 AS two")
t.type("\x03")  # in the search, while the statement that Enter chose runs, or behind it
t.wait(ANSWERED)
assert "thrown" not in open(f"{home}/.sluice_history").read()
t.type("\\h\r")
t.wait("Ctrl-C +throws.*" + PROMPT)
t.type("exit\r")
t.leave()
