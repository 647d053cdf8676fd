"""The same daemon over a store with much history and over an empty one: start, trigger, completion, list, page, each in turn."""
import os, sys, time

from engine import completed, wall_of
from figures import spread
from idle import ready_ms
from latency import latencies
from libpq import Postgres
from processes import wait_until
from service import Daemon, UnixConnection

FLOWS = {
    "quick": "flow: quick\noverlap: allow\ntasks:\n  first:\n    wait: 0s\n",
    "chain": "flow: chain\noverlap: allow\ntasks:\n" + "".join(f"  t{n:02}:\n    wait: 0s\n" + (f"    needs: [t{n - 1:02}]\n" if n else "") for n in range(40)),
}
PERIODS = 89  # days in which the runs of the past ended: younger than retention looks for
LEAST = 0.8

# Runs $1.. of the period that began on that day, spread over it; as a run of a flow with that many tasks leaves them.
RUNS = """
    insert into millrace.run (id, flow, plan_hash, staging_id, run_key, trigger, state, state_name, params, options, summary, created_at, started_at, finished_at)
    select id, f.name, f.plan_hash, gen_random_uuid(), md5(id::text), 'schedule', 'completed', 'Completed', '{{}}', '{{}}', '{{"counts": {{"completed": 40}}, "loads": [], "warnings": 0}}',
           at, at + interval '1 ms', at + interval '40 ms'
      from generate_series({first}, {last}) id, millrace.flow f, lateral (select now() - make_interval(days => {days}) + (id - {first}) * interval '86400 s' / {count} as at) t
     where f.name = case when id % 10 = 0 then 'chain' else 'quick' end"""
TASKS = """
    insert into millrace.task_run (run_id, task, item, attempts, charged, state, state_name, started_at, finished_at, result)
    select r.id, 0, n - 1, 1, 1, 'completed', 'Completed', r.started_at, r.finished_at, case when n = 0 then '{{"rows": 1000}}'::jsonb end
      from millrace.run r, generate_series(0, {each} - 1) n where r.id between {first} and {last}"""
ATTEMPTS = """
    insert into millrace.attempt (run_id, task, item, number, state, log, started_at, finished_at)
    select r.id, 0, n - 1, 1, 'completed', '/var/lib/millrace/staging/' || r.staging_id || '/logs/first.1.ndjson', r.started_at, r.finished_at
      from millrace.run r, generate_series(0, {each} - 1) n where r.id between {first} and {last}"""
EVENTS = """
    insert into millrace.event (at, run_id, flow, kind, message, details)
    select r.finished_at, r.id, r.flow, 'warning', '3 of 1,000 rows break the contract', '{{}}'
      from millrace.run r, generate_series(1, {events}) n where r.id between {first} and {last}"""


def fill(url, runs, rows):
    """Finished runs, and so many rows of their task runs, attempts and events. Indexes are kept; a period is one commit."""
    width = max(64, -(-runs // PERIODS // 64) * 64)
    each, events = max(1, round(rows * 0.45 / runs)), max(1, round(rows * 0.1 / runs))
    begun, made = time.monotonic(), 0
    with Postgres(url) as postgres:
        postgres.run("set synchronous_commit = off; set jit = off")
        first = int(postgres.value("select max(beyond) from millrace.period"))
        for number in range(-(-runs // width)):
            count = min(width, runs - number * width)
            values = {"first": first, "last": first + count - 1, "count": count, "days": max(1, PERIODS - number), "each": each, "events": events}
            postgres.run(f"select millrace.add_period({first}, {first + width})")
            for sql in (RUNS, TASKS, ATTEMPTS, EVENTS):
                postgres.run(sql.format(**values))
            made += count * (2 * each + events)
            for table in ("run", "task_run", "attempt", "event"):
                postgres.run(f"vacuum (analyze) millrace.{table}_{first}")
            first += width
            print(f"\rfilled {(number + 1) * width:,} runs, {made:,} rows in {time.monotonic() - begun:.0f} s ", end="", file=sys.stderr)
        print(file=sys.stderr)
        postgres.run(f"select setval('millrace.run_id', {first}, false), millrace.add_period({first}, {first + 4096})")
        return {"runs": int(postgres.value("select count(*) from millrace.run")), "rows": made, "periods": int(postgres.value("select count(*) from millrace.period")),
                "gigabytes": round(int(postgres.value("select pg_database_size(current_database())")) / 1e9, 2), "fill_s": round(time.monotonic() - begun)}


def settle(daemon, url):
    """A daemon notes by itself which periods have nothing live any more: with its first look at history, and hourly."""
    daemon.start()
    with Postgres(url) as postgres:
        wait_until(lambda: int(postgres.value("select count(*) from millrace.period where not settled")) <= 3, 600, "the periods to be settled")
    daemon.stop()


def asked_ms(daemon, paths, times):
    """Milliseconds for all of `paths`, one after the other, as a page asks for them."""
    connection, found = UnixConnection(daemon.socket), []
    for _ in range(times):
        begun = time.perf_counter()
        for path in paths:
            status, document = daemon.request("GET", path, connection=connection)
            if status != 200:
                raise RuntimeError(f"{path}: {status} {document}")
        found.append((time.perf_counter() - begun) * 1000)
    connection.close()
    return found


def page_of(run):
    return [f"/api/v1/runs/{run}", f"/api/v1/runs/{run}/graph", f"/api/v1/runs/{run}/events", f"/api/v1/runs/{run}/logs"]


def history(folder, prefix, cluster, options):
    """Both daemons live at the same time and take turns, so that what disturbs the machine disturbs both."""
    runs, rows, repeat = options.runs or 100_000, options.rows or 2_000_000, options.repeat or 5
    daemons = {}
    for name in ("empty", "full"):
        cluster.create(name)
        os.mkdir(f"{folder}/{name}")
        daemons[name] = Daemon(prefix, f"{folder}/{name}", FLOWS, {}, cluster.url(name)).start()
        completed(daemons[name].run("chain"))
    daemons["full"].stop()
    filled = fill(cluster.url("full"), runs, rows)
    settle(daemons["full"], cluster.url("full"))
    with Postgres(cluster.url()) as postgres:
        postgres.run("checkpoint")
    found = {}

    def note(what, measure):
        for name in ("empty", "full"):
            found.setdefault(f"{what}_{name}_ms", []).extend(measure(daemons[name]))

    for _ in range(repeat):
        for daemon in daemons.values():
            daemon.stop()
        note("start", lambda daemon: [ready_ms(daemon)])
    for daemon in daemons.values():
        latencies(daemon, "quick", 10)  # what is done the first time is another matter
        for _ in range(50):  # a list is a whole page of rows on both sides
            wall_of(daemon, "chain")
        asked_ms(daemon, ["/api/v1/runs?limit=50"], 5)
    recent = {id(daemon): completed(daemon.run("chain"))["id"] for daemon in daemons.values()}
    for _ in range(repeat):
        note("claim", lambda daemon: latencies(daemon, "quick", 20))
        note("completion", lambda daemon: [wall_of(daemon, "chain") * 1000 for _ in range(5)])
        note("list", lambda daemon: asked_ms(daemon, ["/api/v1/runs?limit=50"], 40))
        note("list_of_flow", lambda daemon: asked_ms(daemon, ["/api/v1/runs?flow=chain&limit=50"], 40))
        note("flows", lambda daemon: asked_ms(daemon, ["/api/v1/flows"], 40))
        note("page", lambda daemon: asked_ms(daemon, page_of(recent[id(daemon)]), 40))
    for daemon in daemons.values():
        daemon.stop()
    figures = {name: spread(values, 2) for name, values in found.items()}
    names = sorted({name.removesuffix("_empty_ms") for name in figures if name.endswith("_empty_ms")})
    return {"figures": figures, "references": {**filled, "allowed": LEAST},
            "ratios": {name: round(figures[f"{name}_empty_ms"]["median"] / figures[f"{name}_full_ms"]["median"], 3) for name in names}}
