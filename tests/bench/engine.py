"""What the engine costs by itself: chains, fans, throughput, and the ceiling of its journal."""
import json, os, subprocess, time

from figures import seconds_between, spread
from libpq import Postgres
from service import Daemon

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


def chain40(folder, prefix, cluster, options):
    figures, ratios, commit = {}, {}, commit_ms(cluster)
    allowed = {"wait": 1, "transform": 5}
    with Store(folder, prefix, cluster, {f"chain_{kind}": chain(kind) for kind in STEP}) as daemon:
        for kind in STEP:
            completed(daemon.run(f"chain_{kind}"))
            runs = [completed(daemon.run(f"chain_{kind}")) for _ in range(options.repeat or 5)]
            walls = [seconds_between(run["created_at"], run["finished_at"]) for run in runs]
            figures[f"{kind}_wall_s"] = spread(walls)
            figures[f"{kind}_per_task_ms"] = spread([wall / 40 * 1000 for wall in walls])
            if kind in allowed:
                ratios[kind] = round(40 * (commit + allowed[kind]) / 1000 / spread(walls)["median"], 3)
    return {"figures": figures, "references": {"commit_ms": commit, "wait_allowed_s": round(40 * (commit + 1) / 1000, 4),
                                               "transform_allowed_s": round(40 * (commit + 5) / 1000, 4)}, "ratios": ratios}


def fan_figures(folder, prefix, cluster, name, rows, tasks, repeat):
    with Store(folder, prefix, cluster, {name: fan(name, rows, tasks)}) as daemon:
        runs = [completed(daemon.run(name, seconds=900)) for _ in range(repeat)]
    walls = [seconds_between(run["created_at"], run["finished_at"]) for run in runs]
    return {"wall_s": spread(walls), "task_runs_per_s": spread([rows * tasks / wall for wall in walls], 1)}


def fan1000(folder, prefix, cluster, options):
    commit = commit_ms(cluster)
    return {"figures": fan_figures(folder, prefix, cluster, "fan1000", 1000, 1, options.repeat or 5), "references": {"commit_ms": commit}, "ratios": {}}


def fan100k(folder, prefix, cluster, options):
    commit = commit_ms(cluster)
    return {"figures": fan_figures(folder, prefix, cluster, "fan100k", 10000, 10, options.repeat or 3), "references": {"commit_ms": commit}, "ratios": {}}


def ceiling(prefix, url, task_runs=100_000):
    """Of a store that a daemon has migrated."""
    return json.loads(subprocess.run([f"{prefix}/bin/bench_journal_ceiling", url, str(task_runs)], check=True, capture_output=True, text=True).stdout)


def journal_ceiling(folder, prefix, cluster, options):
    with Store(folder, prefix, cluster, {}):
        pass  # migrates the store
    measured = [ceiling(prefix, cluster.url("store"), options.scale or 100_000) for _ in range(options.repeat or 3)]
    return {"figures": {"task_runs_per_s": spread([one["task_runs_per_second"] for one in measured], 1),
                        "commit_ms": spread([one["commit_ms"] for one in measured])}, "references": {}, "ratios": {}}


def throughput(folder, prefix, cluster, options):
    figures = fan_figures(folder, prefix, cluster, "throughput", 10000, 10, options.repeat or 3)
    limits = [ceiling(prefix, cluster.url("store")) for _ in range(options.repeat or 3)]
    limit = spread([one["task_runs_per_second"] for one in limits], 1)
    return {"figures": figures, "references": {"journal_ceiling_per_s": limit, "commit_ms": limits[0]["commit_ms"]},
            "ratios": {"journal_ceiling": round(figures["task_runs_per_s"]["median"] / limit["median"], 3)}}
