#!/usr/bin/env python3
"""The hand-made limit of etl_1m: the same work as the flow, by a script that knows everything in advance.

It knows the number of entries, retries nothing, checks nothing, and keeps no state but a hash column in the target. Three
workers each take the next fifty pages, download them, let DuckDB type them to Parquet and find what the target lacks, and
COPY that, so that download, parsing and COPY of different pieces overlap. The first load goes straight into a table without
its key, which is added at the end. Later, keys and hashes of the target are read once, and only new and changed rows are
sent to an unlogged staging table and merged from there.

It speaks to libduckdb and libpq by ctypes, because Debian has no DuckDB module for Python. Environment: REPORTS_URL,
API_KEY, WORKSPACE, FROM, TO (dates), ENTRIES, DATABASE (a libpq URL), DUCKDB (libduckdb.so), WORK (a folder). Prints stage
times as one JSON line.
"""
import ctypes, http.client, json, os, pathlib, queue, sys, threading, time, urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from libpq import Postgres

WORKERS, PIECE, PAGE = int(os.environ.get("HAND_WORKERS", "3")), int(os.environ.get("HAND_PIECE", "50")), 1000
WORK, DATABASE = os.environ["WORK"], os.environ["DATABASE"]
PAGES = -(-int(os.environ["ENTRIES"]) // PAGE)
COLUMNS = [("_id", 'text collate "C"'), ("description", "text"), ("userId", "text"), ("start_at", "timestamptz"), ("end_at", "timestamptz"),
           ("duration", "int"), ("billable", "boolean"), ("projectId", "text"), ("taskId", "text"), ("tags", "text"),
           ("approvalRequestId", "text"), ("type", "text"), ("isLocked", "boolean"), ("amount", "numeric(18,4)"), ("rate", "int"),
           ("projectName", "text"), ("projectColor", "text"), ("clientName", "text"), ("clientId", "text"), ("taskName", "text"),
           ("userName", "text"), ("userEmail", "text")]
NAMES = ", ".join(f'"{name}"' for name, _ in COLUMNS)
JSON_TYPES = {"timeInterval": 'STRUCT("start" TIMESTAMPTZ, "end" TIMESTAMPTZ, duration INTEGER)', "billable": "BOOLEAN", "tags": "JSON",
              "isLocked": "BOOLEAN", "amount": "DECIMAL(18,4)", "rate": "INTEGER"}
FIELDS = ", ".join(f'"{name}": \'{JSON_TYPES.get(name, "VARCHAR")}\'' for name in
                   ["timeInterval"] + [name for name, _ in COLUMNS if name not in ("start_at", "end_at", "duration")])
SELECT = ", ".join({"start_at": 'timeInterval."start" AS start_at', "end_at": 'timeInterval."end" AS end_at',
                    "duration": "timeInterval.duration AS duration", "tags": "CAST(tags AS VARCHAR) AS tags"}.get(name, f'"{name}"')
                   for name, _ in COLUMNS)


class Duck:
    """libduckdb, as far as this script needs it. Calls release the GIL."""
    library = ctypes.CDLL(os.environ["DUCKDB"])
    library.duckdb_result_error.restype = ctypes.c_char_p
    library.duckdb_result_error.argtypes = [ctypes.c_void_p]

    def __init__(self, database=None):
        self.database = database
        if database is None:
            self.database = ctypes.c_void_p()
            self.check(self.library.duckdb_open(None, ctypes.byref(self.database)))
        self.connection = ctypes.c_void_p()
        self.check(self.library.duckdb_connect(self.database, ctypes.byref(self.connection)))

    @staticmethod
    def check(state):
        if state:
            raise RuntimeError("DuckDB cannot be opened")

    def run(self, sql):
        result = (ctypes.c_void_p * 6)()
        failed = self.library.duckdb_query(self.connection, sql.encode(), ctypes.byref(result))
        if failed:
            raise RuntimeError(self.library.duckdb_result_error(ctypes.byref(result)).decode())
        self.library.duckdb_destroy_result(ctypes.byref(result))


begun = time.perf_counter()
stages, busy, lock = {}, {"download": 0.0, "parse": 0.0, "copy": 0.0}, threading.Lock()
server = Postgres(DATABASE)
empty = server.value("select to_regclass('bench.time_entries') is null or not exists (select 1 from pg_class where oid = to_regclass('bench.time_entries') and relpages > 0)") == "t"
table = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS) + ", h bigint"
if empty:
    server.run(f"create schema if not exists bench; drop table if exists bench.time_entries; create table bench.time_entries ({table})")
    target = "bench.time_entries"
else:
    server.run(f"drop table if exists bench.staging; create unlogged table bench.staging ({table})")
    target = "bench.staging"
    server.copy_to_file("copy (select _id, h from bench.time_entries) to stdout (format csv)", f"{WORK}/target.csv")
duck = Duck()
duck.run(f"SET threads={WORKERS}; SET TimeZone='UTC'; SET preserve_insertion_order=false")
if not empty:
    duck.run(f"CREATE TABLE target AS SELECT k, h FROM read_csv('{WORK}/target.csv', header=false, columns={{'k': 'VARCHAR', 'h': 'BIGINT'}})")
    stages["pull_keys"] = round(time.perf_counter() - begun, 3)
pieces = queue.SimpleQueue()
for first in range(1, PAGES + 1, PIECE):
    pieces.put((first, min(first + PIECE, PAGES + 1)))
url = urllib.parse.urlsplit(os.environ["REPORTS_URL"])
failures = []


def download(http_connection, first, last, path):
    with open(path, "wb", buffering=1 << 20) as file:
        for page in range(first, last):
            body = {"dateRangeStart": os.environ["FROM"] + "T00:00:00.000Z", "dateRangeEnd": os.environ["TO"] + "T00:00:00.000Z", "timeZone": "UTC",
                    "sortOrder": "ASCENDING", "detailedFilter": {"page": page, "pageSize": PAGE, "sortColumn": "DATE"}}
            http_connection.request("POST", f"{url.path}/workspaces/{os.environ['WORKSPACE']}/reports/detailed", json.dumps(body),
                                    {"Content-Type": "application/json", "X-Api-Key": os.environ["API_KEY"]})
            answer = http_connection.getresponse()
            data = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"page {page}: {answer.status} {data[:200]}")
            file.write(b"[" if page == first else b",\n")
            file.write(memoryview(data)[data.index(b'"timeentries":[') + 15:-2])
        file.write(b"]")


def parse(connection, number, first, path):
    """The rows that the target lacks, as CSV."""
    parquet, csv = f"{WORK}/entries.{first:05d}.parquet", f"{WORK}/load.{number}.csv"
    connection.run(f"COPY (SELECT {SELECT} FROM read_json('{path}', format='array', columns={{{FIELDS}}})) TO '{parquet}' (FORMAT parquet, COMPRESSION zstd)")
    source = f"SELECT *, (hash({NAMES}) >> 1)::BIGINT AS h FROM read_parquet('{parquet}')"
    if not empty:
        source = f"SELECT s.* FROM ({source}) s LEFT JOIN target t ON t.k = s._id WHERE t.k IS NULL OR t.h <> s.h"
    connection.run(f"COPY ({source}) TO '{csv}' (FORMAT csv, HEADER false, NULLSTR '\\N')")
    return csv


def work(number):
    connection, postgres, http_connection = Duck(duck.database), Postgres(DATABASE), http.client.HTTPConnection(url.netloc)
    connection.run("SET TimeZone='UTC'")
    postgres.run("begin")
    postgres.run(f"copy {target} from stdin (format csv, null '\\N')")
    spent = dict.fromkeys(busy, 0.0)
    while True:
        try:
            first, last = pieces.get_nowait()
        except queue.Empty:
            break
        start = time.perf_counter()
        path = f"{WORK}/piece.{number}.json"
        download(http_connection, first, last, path)
        downloaded = time.perf_counter()
        csv = parse(connection, number, first, path)
        parsed = time.perf_counter()
        with open(csv, "rb", buffering=0) as file:
            while data := file.read(1 << 18):
                postgres.put_copy(data)
        copied = time.perf_counter()
        for name, seconds in zip(spent, (downloaded - start, parsed - downloaded, copied - parsed)):
            spent[name] += seconds
    postgres.end_copy()
    postgres.run("commit")
    with lock:
        for name in busy:
            busy[name] += spent[name]


def guarded(number):
    try:
        work(number)
    except Exception as error:
        failures.append(error)


start = time.perf_counter()
threads = [threading.Thread(target=guarded, args=(number,)) for number in range(WORKERS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if failures:
    sys.exit(f"hand_made: {failures[0]}")
stages["overlapped"] = round(time.perf_counter() - start, 3)
start = time.perf_counter()
if empty:
    server.run("set maintenance_work_mem = '512MB'")
    server.run("alter table bench.time_entries add primary key (_id)")
else:
    changes = ", ".join(f'"{name}" = excluded."{name}"' for name in [name for name, _ in COLUMNS if name != "_id"] + ["h"])
    server.run("set work_mem = '512MB'")
    server.run(f"insert into bench.time_entries ({NAMES}, h) select {NAMES}, h from bench.staging on conflict (_id) do update set {changes}")
    server.run("drop table bench.staging")
stages["key_or_merge"] = round(time.perf_counter() - start, 3)
stages.update({f"sum_of_workers_{name}": round(seconds, 3) for name, seconds in busy.items()}, total=round(time.perf_counter() - begun, 3))
print(json.dumps(stages))
