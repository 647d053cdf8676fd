"""What the service costs at rest, and how soon it is ready."""
import os, time

from engine import Store, completed
from figures import spread
from processes import name, pss, tree
from service import Daemon, UnixConnection

MB = 1e6
FLOW = "flow: warm\ntasks:\n  rows:\n    transform: select range as n from range(1000)\n"


def memory(daemon, cluster):
    """Megabytes (PSS) of the daemon, its hosts and PostgreSQL."""
    parts = {"daemon": 0.0, "hosts": 0.0, "postgresql": sum(pss(pid) for pid in tree(cluster.process.pid)) / MB}
    for pid in tree(daemon.process.pid):
        parts["hosts" if name(pid).startswith("millrace-host") else "daemon"] += pss(pid) / MB
    return parts


def ready_ms(daemon):
    begun = time.perf_counter()
    daemon.start(ready=False)
    while True:
        try:
            if daemon.is_ready():
                return (time.perf_counter() - begun) * 1000
        except ConnectionError:
            pass
        time.sleep(0.001)


def idle(folder, prefix, cluster, options):
    repeat = options.repeat or 5
    samples = {"fresh": [], "warm": []}
    store = Store(folder, prefix, cluster, {"warm": FLOW})
    with store as daemon:
        for state in samples:
            if state == "warm":
                for _ in range(5):
                    completed(daemon.run("warm"))
            time.sleep(3)
            for _ in range(repeat):
                samples[state].append(memory(daemon, cluster))
                time.sleep(0.2)
    figures = {f"{state}_{part}_mb": spread([one[part] for one in found], 1) for state, found in samples.items() for part in found[0]}
    figures["warm_whole_mb"] = spread([sum(one.values()) for one in samples["warm"]], 1)
    starts = []
    for _ in range(repeat):
        starts.append(ready_ms(store.daemon))
        store.daemon.stop()
    figures["start_ms"] = spread(starts, 1)
    os.mkdir(f"{folder}/private")
    private, starts = Daemon(prefix, f"{folder}/private", {"warm": FLOW}, {}, None), []
    for attempt in range(repeat + 1):
        took = ready_ms(private)
        private.stop()
        if attempt:  # the first start makes the cluster
            starts.append(took)
        else:
            figures["first_start_with_private_postgresql_ms"] = spread([took], 1)
    figures["start_with_private_postgresql_ms"] = spread(starts, 1)
    return {"figures": figures, "references": {"daemon_allowed_mb": 40, "with_warm_hosts_allowed_mb": 150, "start_allowed_ms": 200, "private_start_allowed_ms": 2000},
            "ratios": {"daemon": round(40 / figures["fresh_daemon_mb"]["median"], 3),
                       "with_warm_hosts": round(150 / (figures["warm_daemon_mb"]["median"] + figures["warm_hosts_mb"]["median"]), 3),
                       "start": round(200 / figures["start_ms"]["median"], 3), "private_start": round(2000 / figures["start_with_private_postgresql_ms"]["median"], 3)}}
