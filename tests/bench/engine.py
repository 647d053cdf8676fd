"""What the engine costs by itself: chains, fans, throughput, and the ceiling of its journal."""
import json, os, subprocess, time

from figures import spread
from libpq import Postgres
from service import Daemon, UnixConnection

STEP = {"wait": "wait: 0s", "transform": "transform: select {n} as n", "run": "run: [/bin/true]"}


def chain(kind, length=40):
    tasks = []
    for number in range(length):
        step = STEP[kind].format(n=number)
        tasks.append(f"  t{number:02}:\n    {step}\n" + (f"    needs: [t{number - 1:02}]\n" if number else ""))
    return f"flow: chain_{kind}\ntasks:\n" + "".join(tasks)


def fan(name, rows, tasks):
    """`tasks` mapped tasks over the same rows."""
    text = f"flow: {name}\ntasks:\n  items:\n    transform: select range as n from range({rows})\n"
    return text + "".join(f"  fan{number}:\n    wait: 0s\n    for_each: items\n" for number in range(tasks))


def commit_ms(cluster, commits=300):
    """One durable commit of one row: the median."""
    with Postgres(cluster.url()) as postgres:
        postgres.run("create table if not exists commit_probe (n int)")
        times = []
        for number in range(commits):
            begun = time.perf_counter()
            postgres.run(f"insert into commit_probe values ({number})")
            times.append((time.perf_counter() - begun) * 1000)
    return spread(times)["median"]


class Store:
    """The daemon over a database of its own in the cluster."""

    def __init__(self, folder, prefix, cluster, flows):
        cluster.create("store", "warehouse")
        self.daemon = Daemon(prefix, f"{folder}/daemon", flows, {"warehouse": {"type": "postgres", "url": cluster.url("warehouse")}}, cluster.url("store"))

    def __enter__(self):
        os.makedirs(self.daemon.folder, exist_ok=True)
        return self.daemon.start()

    def __exit__(self, *_):
        self.daemon.stop()


def completed(run):
    if run["state"] != "completed":
        raise RuntimeError(f"run {run['id']} of {run['flow']} ended {run['state']}: {run.get('message')}")
    return run


def wall_of(daemon, flow, poll=0.002, seconds=900):
    """Seconds from the request to the run's completion as a client sees it: what it sees is durable. The client looks at the
    list of runs, which costs the daemon less than a run with all its tasks."""
    connection, begun = UnixConnection(daemon.socket), time.perf_counter()
    run_id = daemon.trigger(flow, connection=connection)["id"]
    while (run := daemon.request("GET", f"/api/v1/runs?flow={flow}&limit=1", connection=connection)[1]["items"][0])["finished_at"] is None:
        if time.perf_counter() - begun > seconds:
            raise TimeoutError(f"run {run_id} did not end within {seconds} s")
        time.sleep(poll)
    connection.close()
    if completed(run)["id"] != run_id:
        raise RuntimeError(f"{flow}: another run began meanwhile")
    return time.perf_counter() - begun


def chain40(folder, prefix, cluster, options):
    figures, ratios, commit = {}, {}, commit_ms(cluster)
    allowed = {"wait": 1, "transform": 5}
    with Store(folder, prefix, cluster, {f"chain_{kind}": chain(kind) for kind in STEP}) as daemon:
        for kind in STEP:
            completed(daemon.run(f"chain_{kind}"))
            walls = [wall_of(daemon, f"chain_{kind}") for _ in range(options.repeat or 5)]
            figures[f"{kind}_wall_s"] = spread(walls)
            figures[f"{kind}_per_task_ms"] = spread([wall / 40 * 1000 for wall in walls])
            if kind in allowed:
                ratios[kind] = round(40 * (commit + allowed[kind]) / 1000 / spread(walls)["median"], 3)
    return {"figures": figures, "references": {"commit_ms": commit, "wait_allowed_s": round(40 * (commit + 1) / 1000, 4),
                                               "transform_allowed_s": round(40 * (commit + 5) / 1000, 4)}, "ratios": ratios}


def fan_figures(folder, prefix, cluster, name, rows, tasks, repeat):
    with Store(folder, prefix, cluster, {name: fan(name, rows, tasks)}) as daemon:
        walls = [wall_of(daemon, name, 0.02 if rows * tasks <= 1000 else 0.1) for _ in range(repeat)]
    return {"wall_s": spread(walls), "task_runs_per_s": spread([rows * tasks / wall for wall in walls], 1)}


def fan1000(folder, prefix, cluster, options):
    commit = commit_ms(cluster)
    return {"figures": fan_figures(folder, prefix, cluster, "fan1000", 1000, 1, options.repeat or 5), "references": {"commit_ms": commit}, "ratios": {}}


def fan100k(folder, prefix, cluster, options):
    commit = commit_ms(cluster)
    return {"figures": fan_figures(folder, prefix, cluster, "fan100k", 10000, 10, options.repeat or 3), "references": {"commit_ms": commit}, "ratios": {}}


def engine_alone(prefix, url, what, size):
    """The engine in one process with hosts that answer at once, or the plain SQL of `journal_ceiling`."""
    return json.loads(subprocess.run([f"{prefix}/bin/engine_bench", url, what, str(size)], check=True, stdout=subprocess.PIPE, text=True).stdout)


def ceilings(prefix, cluster, repeat, size):
    found = []
    for number in range(repeat):
        cluster.create(f"ceiling{number}")
        found.append(engine_alone(prefix, cluster.url(f"ceiling{number}"), "journal_ceiling", size))
    return found


def journal_ceiling(folder, prefix, cluster, options):
    measured = ceilings(prefix, cluster, options.repeat or 3, options.scale or 100_000)
    return {"figures": {name: spread([one[name] for one in measured], 4 if name == "commit_ms" else 1) for name in ("task_runs_per_s", "commit_ms")},
            "references": {}, "ratios": {}}


def throughput(folder, prefix, cluster, options):
    repeat = options.repeat or 3
    figures = fan_figures(folder, prefix, cluster, "throughput", 10000, 10, repeat)
    alone = []
    for number in range(repeat):
        cluster.create(f"alone{number}")
        alone.append(engine_alone(prefix, cluster.url(f"alone{number}"), "throughput", 100_000)["task_runs_per_s"])
    figures["engine_alone_task_runs_per_s"] = spread(alone, 1)
    measured = ceilings(prefix, cluster, repeat, 100_000)
    limit = spread([one["task_runs_per_s"] for one in measured], 1)
    return {"figures": figures, "references": {"journal_ceiling_per_s": limit, "commit_ms": spread([one["commit_ms"] for one in measured])},
            "ratios": {"journal_ceiling": round(figures["task_runs_per_s"]["median"] / limit["median"], 3),
                       "engine_alone": round(figures["engine_alone_task_runs_per_s"]["median"] / limit["median"], 3)}}
