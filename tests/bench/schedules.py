"""Thousands of schedules that are due in the same second: on one node, on three, and on three of which one is killed in that second.
And a hundred thousand that are not due, beside some that are."""
import os, signal, subprocess, time

from libpq import Postgres
from figures import percentile, spread
from processes import cpu_seconds
from service import Cluster, wait_until

ALLOWED_S = 2.0

# What became of each nominal instant, and when it was on record: the commit time of its row.
FIRED = """
    select count(*), count(distinct (flow, schedule, nominal)), coalesce(extract(epoch from max(pg_xact_commit_timestamp(xmin)) - min(nominal)), 0)
      from millrace.firing"""
RUNS = "select count(*), count(distinct (flow, params)), count(*) filter (where state = 'completed') from millrace.run"


def due(prefix, cluster, name, schedules, nodes, kill_after=None):
    cluster.create(name)
    url, moment = cluster.url(name), int(time.time()) + 12 + schedules // 2000
    processes = []
    try:
        for number in range(nodes):
            processes.append(subprocess.Popen([f"{prefix}/bin/engine_bench", url, "schedules", str(schedules), f"node{number}", str(moment)],
                                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                                              env={**os.environ, "MILLRACE_BENCH_STAGING": f"{cluster.folder}/staging-{name}"}))
            if number == 0:
                wait_until(lambda: ready(url, schedules), 60, "the deploy")
        if time.time() > moment - 4:
            raise RuntimeError(f"{name}: the nodes were not up in time")
        time.sleep(max(0, moment - time.time()))
        if kill_after is not None:
            time.sleep(kill_after)
            processes[0].send_signal(signal.SIGKILL)
        wait_until(lambda: asked(url, RUNS)[2] >= schedules, 120, f"{name}: the runs")
        fired, apart, last = asked(url, FIRED)
        runs, of_own, completed = asked(url, RUNS)
        if not fired == apart == runs == of_own == completed == schedules:
            raise RuntimeError(f"{name}: {fired} firings of {apart} instants, {runs} runs of {of_own} schedules, {completed} completed; {schedules} expected")
        return float(last)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def idle_schedules(folder, prefix, cluster, options):
    """A core's share while 100,000 schedules wait, and the lag of 100 that are due each second: from the nominal instant to its record."""
    idle, seconds, each = options.scale or 100_000, 20, 100
    cluster.stop()
    timed = Cluster(f"{folder}/timed", {"track_commit_timestamp": "on"}).start()
    timed.create("idle")
    url, moment = timed.url("idle"), int(time.time()) + 60 + idle // 1000
    node = subprocess.Popen([f"{prefix}/bin/engine_bench", url, "schedules", str(each * seconds), "one", str(moment), str(seconds), str(idle)],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_until(lambda: ready(url, idle + each * seconds), moment - time.time() - 30, "the deploy")
        time.sleep(5)
        begun, used = time.monotonic(), cpu_seconds(node.pid)
        time.sleep(20)
        share = (cpu_seconds(node.pid) - used) / (time.monotonic() - begun)
        wait_until(lambda: asked(url, RUNS)[2] >= each * seconds, moment + seconds + 60 - time.time(), "the runs")
        with Postgres(url) as postgres:
            lags = [1000 * float(row[0]) for row in postgres.rows("select extract(epoch from pg_xact_commit_timestamp(xmin) - nominal) from millrace.firing")]
    finally:
        node.kill()
        node.wait()
        timed.stop()
    lag = {f"lag_p{int(100 * part)}_ms": spread([percentile(lags, part)], 1) for part in (0.5, 0.99, 1)}
    return {"figures": {"idle_core_percent": spread([100 * share], 2), **lag}, "references": {"idle_allowed_percent": 1, "lag_allowed_ms": 50},
            "ratios": {"idle": round(1 / max(100 * share, 0.001), 2), "lag": round(50 / percentile(lags, 0.99), 2)}}


def asked(url, query):
    with Postgres(url) as postgres:
        return [float(value) if "." in value else int(value) for value in postgres.rows(query)[0]]


def ready(url, schedules):
    try:
        return asked(url, "select count(*) from millrace.schedule")[0] == schedules
    except RuntimeError:
        return False


def due_at_once(folder, prefix, cluster, options):
    schedules = options.scale or 10_000
    cluster.stop()
    timed = Cluster(f"{folder}/timed", {"track_commit_timestamp": "on"}).start()
    cases = {"one_node_s": (1, None), "three_nodes_s": (3, None), "one_of_three_killed_s": (3, 0.2)}
    try:
        figures = {case: spread([due(prefix, timed, f"{case}{turn}", schedules, nodes, kill) for turn in range(options.repeat or 3)])
                   for case, (nodes, kill) in cases.items()}
    finally:
        timed.stop()
    return {"figures": figures, "references": {"allowed_s": ALLOWED_S},
            "ratios": {case: round(ALLOWED_S / figure["median"], 3) for case, figure in figures.items()}}
