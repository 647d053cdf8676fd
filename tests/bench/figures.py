"""Figures: spreads, the machine, and how both are printed."""
import calendar, glob, json, os, platform, statistics, subprocess, time


def spread(values, digits=4):
    return {"min": round(min(values), digits), "median": round(statistics.median(values), digits), "max": round(max(values), digits)}


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine(cluster=None):
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) // 1024
    server = f"{cluster.bin}/postgres" if cluster else sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))[-1]
    version = subprocess.run([server, "--version"], capture_output=True, text=True).stdout.split()[2]
    return {"cpus": len(os.sched_getaffinity(0)), "model": model, "memory_mb": memory, "kernel": platform.release(), "postgresql": version,
            "load_before": round(os.getloadavg()[0], 2), "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def instant(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    whole = whole.removesuffix("+00:00")
    fraction = fraction.removesuffix("+00:00")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + (float("0." + fraction) if fraction else 0.0)


def print_result(result, as_json):
    if as_json:
        print(json.dumps(result))
        return
    about = result["machine"]
    print(f"{result['name']} on {about['cpus']} CPUs, {about['model']}, PostgreSQL {about['postgresql']}, load before {about['load_before']}")
    if about["load_before"] > about["cpus"] / 2:
        print("  (the machine was busy: these figures say little)")
    width = max((len(name) for part in ("figures", "references", "ratios") for name in result[part]), default=10)
    for name, value in result["figures"].items():
        print(f"  {name:{width}}  median {value['median']:<12} min {value['min']:<12} max {value['max']}")
    for title in ("references", "ratios"):
        wanted = result.get("wanted", {}) if title == "ratios" else {}
        for name, value in result[title].items():
            print(f"  {name:{width}}  {value if not isinstance(value, dict) else value['median']}  ({title[:-1]}{f', at least {wanted[name]} is wanted' if name in wanted else ''})")
    for name, why in result.get("skipped", {}).items():
        print(f"  SKIPPED {name}: {why}")
