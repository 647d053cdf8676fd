"""How long a trigger takes to become a running task."""
import time

from engine import Store, commit_ms, completed
from figures import instant, percentile, spread
from service import UnixConnection

FLOWS = {
    "quick_wait": "flow: quick_wait\noverlap: allow\ntasks:\n  first:\n    wait: 0s\n",
    "quick_sql": "flow: quick_sql\noverlap: allow\ntasks:\n  first:\n    transform: select 1 as one\n",
    "quick_run": "flow: quick_run\noverlap: allow\ntasks:\n  first:\n    run: [date, +%s.%N]\n    env: {LC_ALL: C}  # `date` reads thirteen files of another locale before it says the time\n",
    "sleeper": "flow: sleeper\noverlap: allow\ntasks:\n  first:\n    wait: 1h\n",
}
ACTIVE = 100


def began(daemon, run, connection):
    """When the first task did its first work: a command says so itself; of others it is when their end was recorded, so that
    their work counts too."""
    task = run["tasks"][0]
    if task["verb"] != "run":
        return instant(task["finished_at"])
    lines = daemon.request("GET", f"/api/v1/runs/{run['id']}/logs", connection=connection)[1]["items"]
    return next(float(line["text"]) for line in lines if line["level"] == "out")


def latencies(daemon, flow, times):
    """Milliseconds from sending the request to the first work of the first task, by this machine's one clock."""
    connection, found = UnixConnection(daemon.socket), []
    for _ in range(times):
        time.sleep(0.03)  # a trigger comes to a service at rest, and nobody asks for the run while it starts
        begun = time.time()
        run = daemon.trigger(flow, connection=connection)
        time.sleep(0.03)
        run = completed(daemon.wait(run["id"]))
        found.append((began(daemon, run, connection) - begun) * 1000)
    connection.close()
    return found


def trigger_latency(folder, prefix, cluster, options):
    times, figures = options.repeat or 200, {}
    commit = commit_ms(cluster)
    with Store(folder, prefix, cluster, FLOWS) as daemon:
        for situation in ("idle", f"active{ACTIVE}"):
            if situation != "idle":
                for _ in range(ACTIVE):
                    daemon.trigger("sleeper")
            for flow in ("quick_wait", "quick_sql", "quick_run"):
                latencies(daemon, flow, 10)
                found = latencies(daemon, flow, times)
                name = f"{situation}_{flow.removeprefix('quick_')}"
                figures[f"{name}_ms"] = spread(found, 3)
                figures[f"{name}_p99_ms"] = spread([percentile(found, 0.99)], 3)
    p50, p99 = figures["idle_run_ms"]["median"], figures[f"active{ACTIVE}_run_p99_ms"]["median"]
    return {"figures": figures, "references": {"commit_ms": commit, "allowed_p50_ms": 5, "allowed_p99_ms": 10},
            "ratios": {"p50": round(5 / p50, 3), "p99": round(10 / p99, 3)}}
