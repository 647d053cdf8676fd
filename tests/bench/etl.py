"""One million time entries over HTTP into PostgreSQL, by a flow and by hand, taking turns over the same data."""
import datetime, http.client, json, os, pathlib, re, shutil, subprocess, sys, time

from engine import completed
from figures import spread
from libpq import Postgres
from processes import Watch, cpu_seconds, name
from service import Daemon, Sandbox

HERE = pathlib.Path(__file__).resolve().parent
PHASES = ("first", "same", "changed")


def render(sandbox, connection, start, end, entries=None):
    """Every page of one report: as the script asks for it, which knows how many entries there are, or as the flow does."""
    page, pages = 1, 1
    while page <= pages:
        options = {} if entries else {"options": {"totals": "CALCULATE"}}
        body = {"dateRangeStart": start, "dateRangeEnd": end, "timeZone": "UTC", "sortOrder": "ASCENDING", **({} if entries else {"amountShown": "EARNED"}),
                "detailedFilter": {"page": page, "pageSize": 1000, "sortColumn": "DATE", **options}}
        connection.request("POST", f"/v1/workspaces/{sandbox.workspace}/reports/detailed", json.dumps(body), {"X-Api-Key": sandbox.key})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(text.decode())
        told = re.search(rb'"entriesCount":\s*(\d+)', text)  # not in a week without entries
        pages = -(-(entries or int(told[1] if told else 0)) // 1000)
        page += 1


def render_all(sandbox, entries, first, last):
    """Lets the sandbox render every page once, so that rendering is part of no measurement: the script asks for the whole time,
    the flow for weeks."""
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port)
    render(sandbox, connection, f"{first}T00:00:00Z", f"{last}T00:00:00Z", entries)
    week, end = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
    while week < end:
        until = min(week + datetime.timedelta(days=7), end)
        render(sandbox, connection, f"{week}T00:00:00.000Z", f"{until - datetime.timedelta(days=1)}T23:59:59.999Z")
        week = until
    connection.close()


class Phase:
    """Wall time, CPU time, peak memory, WAL and rows of one phase of one contender."""

    def __init__(self, cluster, roots, wanted=lambda pid: True):
        self.cluster, self.watch, self.roots = cluster, Watch(roots, wanted), roots

    def __enter__(self):
        with Postgres(self.cluster.url("warehouse")) as postgres:
            postgres.run("checkpoint")
            self.lsn = postgres.value("select pg_current_wal_lsn()")
        self.cpu = cpu_seconds(*self.roots)
        self.watch.__enter__()
        self.begun = time.perf_counter()
        return self

    def __exit__(self, *failure):
        self.wall = time.perf_counter() - self.begun
        self.watch.__exit__()
        with Postgres(self.cluster.url("warehouse")) as postgres:
            self.wal = int(postgres.value(f"select pg_current_wal_lsn() - '{self.lsn}'::pg_lsn")) / 1e6


def digest(cluster):
    """What the table holds, whoever made it."""
    with Postgres(cluster.url("warehouse")) as postgres:
        return postgres.rows('select count(*), sum(duration), sum(amount), count(distinct "projectId"), md5(string_agg(_id || duration, \',\' order by _id collate "C")) from bench.time_entries')[0]


def by_hand(cluster, sandbox, entries, first, last, prefix, work):
    os.makedirs(work, exist_ok=True)
    environment = dict(os.environ, REPORTS_URL=f"{sandbox.url}/v1", API_KEY=sandbox.key, WORKSPACE=sandbox.workspace, FROM=first, TO=last, ENTRIES=str(entries),
                       DATABASE=cluster.url("warehouse"), DUCKDB=f"{prefix}/lib/millrace/libduckdb.so", WORK=work)
    roots = []
    with Phase(cluster, roots) as phase:  # from before its first statement
        process = subprocess.Popen([shutil.which("python3"), str(HERE / "hand_made.py")], env=environment, stdout=subprocess.PIPE, text=True)
        roots.append(process.pid)
        out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError("the hand-made script failed")
    phase.stages = json.loads(out)
    return phase


def by_flow(cluster, daemon, first, last, entries, phase_name, changed):
    with Phase(cluster, [daemon.process.pid], lambda pid: name(pid) != "postgres") as phase:
        run = completed(daemon.run("etl_1m", {"params": {"from": first, "to": last}}))
    phase.cpu = cpu_seconds(daemon.process.pid) - phase.cpu
    load = run["loads"][0]
    found = {part: load[part] for part in ("inserted", "updated", "unchanged")}
    expected = {"first": {"inserted": entries, "updated": 0, "unchanged": 0}, "same": {"inserted": 0, "updated": 0, "unchanged": entries},
                "changed": {"inserted": 0, "updated": changed, "unchanged": entries - changed}}[phase_name]
    if found != expected:
        raise RuntimeError(f"{phase_name}: the flow reports {found}, expected {expected}")
    return phase


def etl_1m(folder, prefix, cluster, options):
    entries = options.scale or 1_000_000
    today = datetime.date.today()
    first, last = str(today - datetime.timedelta(days=90)), str(today + datetime.timedelta(days=2))
    flow = (HERE / "flows" / "etl_1m.yaml").read_text()
    measured = {who: {phase: [] for phase in PHASES} for who in ("millrace", "hand")}
    sandbox = Sandbox(prefix, folder, "--scale", str(entries), "--rate", "0", "--today", str(today), "--cache", "4000")
    try:
        cluster.create("warehouse", "store")
        for repetition in range(options.repeat or 3):
            for who in ("hand", "millrace"):
                with Postgres(cluster.url()) as postgres:
                    for database in ("warehouse", "store"):
                        postgres.run(f"drop database if exists {database} with (force)")
                        postgres.run(f"create database {database}")
                sandbox.control("reset", {})
                work = f"{folder}/{who}"
                os.makedirs(work)
                daemon = None
                if who == "millrace":
                    daemon = Daemon(prefix, work, {"etl_1m": flow}, {"warehouse": {"type": "postgres", "url": cluster.url("warehouse")},
                                                                     "clockify": sandbox.connection_settings()}, cluster.url("store")).start()
                try:
                    changed = 0
                    for phase in PHASES:
                        if phase == "changed":
                            changed = sandbox.control("change", {"fraction": 0.01})["edit"]
                        render_all(sandbox, entries, first, last)
                        one = by_hand(cluster, sandbox, entries, first, last, prefix, work) if who == "hand" else by_flow(cluster, daemon, first, last, entries, phase, changed)
                        one.digest = digest(cluster)
                        measured[who][phase].append(one)
                finally:
                    if daemon:
                        daemon.stop()
                shutil.rmtree(work)
    finally:
        sandbox.stop()
    for phase in PHASES:
        digests = {tuple(one.digest) for who in measured for one in measured[who][phase]}
        if len(digests) != 1:
            raise RuntimeError(f"{phase}: the two do not agree about the rows: {digests}")
    figures, references, ratios = {}, {}, {}
    for phase in PHASES:
        ours, theirs = measured["millrace"][phase], measured["hand"][phase]
        figures[f"{phase}_wall_s"] = spread([one.wall for one in ours], 3)
        figures[f"{phase}_peak_mb"] = spread([one.watch.peak / 1e6 for one in ours], 1)
        figures[f"{phase}_wal_mb"] = spread([one.wal for one in ours], 3)
        figures[f"{phase}_cpu_s"] = spread([one.cpu for one in ours], 2)
        references[f"hand_{phase}_wall_s"] = spread([one.wall for one in theirs], 3)
        references[f"hand_{phase}_peak_mb"] = spread([one.watch.peak / 1e6 for one in theirs], 1)
        references[f"hand_{phase}_wal_mb"] = spread([one.wal for one in theirs], 3)
        ratios[phase] = round(references[f"hand_{phase}_wall_s"]["median"] / figures[f"{phase}_wall_s"]["median"], 3)
    return {"figures": figures, "references": references, "ratios": ratios}
