"""chain40 and fan1000 of other engines beside ours, in the same run. Their own programs are no part of this clone: `--peers FOLDER`,
or MILLRACE_PEERS, names a folder with one folder per peer, each with an `install.sh` and a `bench.py` that writes its figures to
`$PEERS/orch-results/NAME.json`, and `pg/pg.sh`, the PostgreSQL that they share. Theirs run as whoever started this, ours as always."""
import json, os, pathlib, subprocess, sys, time

from figures import machine, spread

INSTALLED = pathlib.Path(os.environ.get("PEERS", "/tmp/peers"))
RUN = pathlib.Path(__file__).with_name("run")


class Peer:
    def __init__(self, name, needs, arguments, figures, environment=None, result=None):
        self.name, self.needs, self.arguments, self.figures = name, needs, arguments, figures
        self.environment, self.result = environment or {}, result or name

    def missing(self, folder):
        """Why it cannot run; nothing: it can."""
        if not (folder / self.name / "bench.py").exists():
            return f"{folder / self.name} has no bench.py"
        lacking = [str(INSTALLED / path) for path in self.needs if not (INSTALLED / path).exists()]
        return f"not installed: {lacking[0]} is not there (run {folder / self.name / 'install.sh'})" if lacking else None

    def measure(self, folder):
        """Seconds by figure, each {min, median, max}."""
        begun = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        done = subprocess.run([sys.executable, "bench.py", *self.arguments], cwd=folder / self.name, env={**os.environ, **self.environment},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        file = INSTALLED / "orch-results" / f"{self.result}.json"
        found = json.loads(file.read_text()) if file.exists() else {}
        measured = {ours: {key: found[theirs][key] for key in ("min", "median", "max")} for ours, theirs in self.figures.items()
                    if found.get(theirs, {}).get("at", "") >= begun and "median" in found[theirs]}
        if len(measured) < len(self.figures):
            lines = done.stdout.strip().splitlines()
            raise RuntimeError(f"no figure for {', '.join(sorted(set(self.figures) - set(measured)))}: {lines[-1] if lines else 'it said nothing'}")
        return measured


# What each calls the same work. Prefect's chain through its API is triggered as a deployment of a `serve()` that polls each second;
# Temporal's server keeps its SQLite in memory, which is the faster of its two ways.
PEERS = [
    Peer("prefect", ["prefect/bin/prefect"], ["pg", "chain", "fan", "deploy"],
         {"chain40_prefect_api_s": "chain40_deployed_poll1_s", "chain40_prefect_in_process_s": "chain40_inproc_s", "fan1000_prefect_s": "fan_1000_s"},
         {"FAN_REPS": "1", "FAN8_REPS": "0"}, "prefect_pg"),
    Peer("dbos", ["dbos/bin/python"], ["bench"], {"chain40_dbos_s": "chain40_s", "fan1000_dbos_s": "fan1000_s"}),
    Peer("temporal", ["temporal/bin/temporal", "temporal/bin/bench"], ["bench"], {"chain40_temporal_s": "chain40_mem_s", "fan1000_temporal_s": "fan1000_mem_s"}),
    Peer("graphile", ["graphile/node_modules/graphile-worker"], [], {"fan1000_graphile_s": "fan1000_s"}),
    Peer("river", ["river/bin/riverbench"], ["bench", "rest"], {"chain40_river_s": "chain40_s", "fan1000_river_s": "fan1000_s"}),
]
WANTED = {"chain40_prefect_api": 50, "chain40_prefect_in_process": 15, "chain40_dbos": 8, "chain40_temporal": 40, "fan1000_allowed": 1}
FAN1000_ALLOWED_S = 0.15


def ours(name):
    return json.loads(subprocess.run([sys.executable, str(RUN), name, "--json"], check=True, stdout=subprocess.PIPE, text=True).stdout)["figures"]


def measure_ours(taken):
    chain, fan = ours("chain40"), ours("fan1000")
    for name, figure in (("chain40_wait_s", chain["wait_wall_s"]), ("chain40_transform_s", chain["transform_wall_s"]), ("fan1000_s", fan["wall_s"])):
        taken.setdefault(name, []).append(figure)


def together(figures):
    """Of two passes, the worse at each end and the mean of the medians."""
    return {"min": min(f["min"] for f in figures), "median": round(sum(f["median"] for f in figures) / len(figures), 4), "max": max(f["max"] for f in figures)}


def peers(options):
    """Ours before and after all of theirs."""
    named = options.peers or os.environ.get("MILLRACE_PEERS")
    folder = pathlib.Path(named) if named else None
    if not folder or not (folder / "pg" / "pg.sh").exists():
        sys.exit("tests/bench/run peers: name the folder of the other engines' programs (it has pg/pg.sh) with --peers or MILLRACE_PEERS")
    about, taken, theirs, skipped = machine(), {}, {}, {}
    measure_ours(taken)
    server = subprocess.run([folder / "pg" / "pg.sh", "start"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for peer in PEERS:
            why = peer.missing(folder) or (server.returncode and f"pg/pg.sh start: {server.stdout.strip()[-200:]}")
            try:
                if not why:
                    print(f"{peer.name} ...", file=sys.stderr, flush=True)
                    theirs.update(peer.measure(folder))
            except RuntimeError as e:
                why = str(e)
            if why:
                skipped[peer.name] = why
    finally:
        if server.returncode == 0 and "already" not in server.stdout:
            subprocess.run([folder / "pg" / "pg.sh", "stop"], stdout=subprocess.DEVNULL)
    measure_ours(taken)
    figures = {name: together(found) for name, found in taken.items()}
    ratios = {"fan1000_allowed": round(FAN1000_ALLOWED_S / figures["fan1000_s"]["median"], 3)}
    for name, figure in theirs.items():
        work, peer = name.removesuffix("_s").split("_", 1)
        ratios[f"{work}_{peer}"] = round(figure["median"] / figures["chain40_wait_s" if work == "chain40" else "fan1000_s"]["median"], 1)
        if work == "chain40":  # theirs do nothing in a task; ours in the same place run SQL and write a dataset
            ratios[f"chain40_of_transforms_{peer}"] = round(figure["median"] / figures["chain40_transform_s"]["median"], 1)
    return {"name": "peers", "machine": about, "figures": figures, "references": theirs, "ratios": ratios,
            "wanted": WANTED, "skipped": skipped}
