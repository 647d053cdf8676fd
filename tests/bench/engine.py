"""What the engine costs by itself: chains, fans, throughput, and the ceiling of its journal."""
import json, os, re, subprocess, time

from figures import spread
from libpq import Postgres
from processes import Watch
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


class Lag:
    """The daemon's own measure of its loop's lag (scheduler/loop_lag.hpp), between two moments."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.before = self.read()

    def read(self):
        text = self.daemon.request("GET", "/metrics")[1].decode()
        return {float(bound): int(n) for bound, n in re.findall(r'millrace_loop_lag_seconds_bucket\{le="(.+)"\} (\d+)', text)}

    def figures(self):
        """`loop_lag_p999_ms` is the bound of a bucket: 99.9 % of the ticks were no later."""
        since = {bound: n - self.before[bound] for bound, n in self.read().items()}
        ticks = since[float("inf")]
        p999 = min((bound for bound, n in since.items() if n >= 0.999 * ticks), default=float("inf"))
        return {"loop_lag_p999_ms": spread([p999 * 1000]), "loop_lag_over_5ms_percent": spread([100 * (1 - since[0.005] / max(1, ticks))]),
                "loop_lag_ticks": spread([ticks])}


def reset_peak(pid):
    try:
        with open(f"/proc/{pid}/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass  # then the peak is that since its start


def peak_mb(pid):
    """The most memory that the process had resident, files that it maps included."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) * 1024 / 1e6


def wal_bytes(cluster):
    with Postgres(cluster.url()) as postgres:
        return int(postgres.rows("select pg_current_wal_lsn() - '0/0'")[0][0])


def fan_figures(folder, prefix, cluster, name, rows, tasks, repeat):
    """Of a run of `rows` * `tasks` mapped task runs. WAL is all that the cluster wrote meanwhile, whoever wrote it."""
    count, walls, wal = rows * tasks, [], []
    with Store(folder, prefix, cluster, {name: fan(name, rows, tasks)}) as daemon:
        wall_of(daemon, name, 0.02)  # the hosts are there, the plan is prepared
        reset_peak(daemon.process.pid)
        lag = Lag(daemon)
        with Watch([daemon.process.pid]) as watch:
            for _ in range(repeat):
                before = wal_bytes(cluster)
                walls.append(wall_of(daemon, name, 0.02 if count <= 1000 else 0.1))
                wal.append((wal_bytes(cluster) - before) / count)
        lags, daemon_mb = lag.figures(), peak_mb(daemon.process.pid)
    return {"wall_s": spread(walls), "task_runs_per_s": spread([count / wall for wall in walls], 1), "wal_bytes_per_task_run": spread(wal, 1),
            "daemon_peak_mb": spread([daemon_mb], 1), "with_hosts_peak_mb": spread([watch.peak / 1e6], 1), **lags}


def allowed(figures, **limits):
    """Figures beside what they may be: the limit as a reference, the limit over the figure as a ratio (above 1: kept)."""
    return {"references": {f"allowed_{name}": limit for name, limit in limits.items()},
            "ratios": {name: round(limit / max(figures[name]["median"], 1e-9), 3) for name, limit in limits.items()}}


def fan1000(folder, prefix, cluster, options):
    figures = fan_figures(folder, prefix, cluster, "fan1000", 1000, 1, options.repeat or 10)
    return {"figures": figures, **allowed(figures, wall_s=0.15)}


def fan100k(folder, prefix, cluster, options):
    figures = fan_figures(folder, prefix, cluster, "fan100k", 10000, 10, options.repeat or 6)
    return {"figures": figures, **allowed(figures, wall_s=10, daemon_peak_mb=200, wal_bytes_per_task_run=1229, loop_lag_p999_ms=5)}


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
    return {"figures": {name: spread([one[name] for one in measured], 4 if name == "commit_ms" else 1) for name in measured[0]},
            "references": {}, "ratios": {}}


def throughput(folder, prefix, cluster, options):
    """The daemon's rate is the figure. `engine_alone` is many runs of 40 tasks in one process without web and hosts; in
    `attempts_alone` each task run is an attempt of hosts that answer at once: begun in one commit, ended in a later one."""
    repeat = options.repeat or 3
    figures = fan_figures(folder, prefix, cluster, "throughput", 10000, 10, repeat)
    for figure, what, size in (("engine_alone", "throughput", 100_000), ("attempts_alone", "fan", 20_000)):
        alone = []
        for number in range(repeat):
            cluster.create(f"{what}{number}")
            alone.append(engine_alone(prefix, cluster.url(f"{what}{number}"), what, size)["task_runs_per_s"])
        figures[f"{figure}_task_runs_per_s"] = spread(alone, 1)
    measured = ceilings(prefix, cluster, repeat, 100_000)
    limit, once = (spread([one[name] for one in measured], 1) for name in ("task_runs_per_s", "inserted_once_per_s"))
    rate = figures["task_runs_per_s"]["median"]
    return {"figures": figures, "references": {"journal_ceiling_per_s": limit, "inserted_once_per_s": once, "wanted_per_s": 15_000,
                                               "commit_ms": spread([one["commit_ms"] for one in measured])},
            "ratios": {"wanted": round(rate / 15_000, 3), "journal_ceiling": round(rate / limit["median"], 3), "inserted_once": round(rate / once["median"], 3),
                       "engine_alone": round(figures["engine_alone_task_runs_per_s"]["median"] / limit["median"], 3)}}
