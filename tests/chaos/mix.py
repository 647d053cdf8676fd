"""The flows that several nodes share while things break. Each firing of each leaves exactly one row, whatever happens on its way."""

FLOW = """flow: {name}
schedule: {{cron: "{cron}", missed: all}}
interval: {{every: 1s}}
overlap: allow
defaults:
  timeout: 20s
  retry: {{attempts: 30, delay: 1s, max_delay: 3s}}
tasks:
  row:
    transform: select '{name}' as flow, $interval_end as nominal
  command:
    run: {command}
    {options}
  effects:
    load: row
    into: warehouse.effects
    mode: append
    needs: [command]
"""

SLOW = """flow: slow
overlap: allow
tasks:
  row:
    transform: select 'slow' as flow
  command:
    run: [/bin/sleep, "6"]
  effects:
    load: row
    into: warehouse.slow
    mode: append
    needs: [command]
"""

SECONDS = {"one": 1, "two": 2, "three": 3, "deaf": 10, "forking": 10, "greedy": 10}  # between two firings
CRONS = {1: "* * * * * *", 2: "*/2 * * * * *", 3: "1/3 * * * * *", 10: "*/10 * * * * *"}


def commands(stray):
    """Of the hostile ones the first attempt is: deaf to TERM beyond its time; a parent of what leaves its session, is deaf and
    holds the pipes of its log; and one that takes all memory that it gets."""
    once = 'test "$MILLRACE_ATTEMPT" = 1 || exit 0; '
    return {
        "deaf": (f"""'{once}trap "" TERM INT HUP; while :; do sleep 1; done'""", "timeout: 2s"),
        "forking": (f"""'(setsid sh -c "trap \\"\\" TERM HUP; exec {stray} 86400" & ) & sleep 0.1'""", ""),
        "greedy": (f"""'{once}exec tail /dev/zero'""", "memory: 100MB\n    retry: {attempts: 30, delay: 1s, max_delay: 3s, for: [any]}"),
    }


def flows(stray):
    """Texts by name. `stray`: a program that sleeps, by the path of which left-behind processes are found."""
    hostile = commands(stray)
    texts = {"slow": SLOW}
    for name, every in SECONDS.items():
        command, options = hostile.get(name, ('[/bin/sleep, "0.2"]', ""))
        texts[name] = FLOW.format(name=name, cron=CRONS[every], command=command, options=options)
    return texts
