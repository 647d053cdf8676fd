#!/usr/bin/python3
"""schedules_test.py PROGRAM [CASES] [SEED]: when schedules fire, beside two independent libraries: croniter says what the fields of a
cron hold, dateutil on which days that is, which local times exist or come twice, and what a month later is.

Half of the questions begin near a change of the clock, over all zones of the system. Where the libraries are, new ones are asked, of
years to come. Everywhere those of schedules.jsonl.xz are: what the libraries said once, of 2000 to 2024, whose rules nobody changes any
more. A zone whose changes are others here than they were then is left out and named, with both versions of the zone data.

schedules_test.py --record [CASES] [SEED] writes that file anew, from the libraries alone.

Where we differ on purpose, and what is asked instead:
  - `*/2` as a day: croniter takes it for a restriction that suffices alone (a day OR a weekday). cron(8), and we, have it that a field
    that begins with `*` restricts nothing by itself, so both must hold.
  - all weekdays, `0-6`, and all days, `1/1`: croniter takes them for `*`. They are a restriction that holds on every day, so the other
    field excludes none.
  - `2/3` as a weekday ends on Saturday: croniter counts on to 7, Sunday again.
  - `5-5`: croniter from 2.0 on takes it for the whole range. It is 5.
  - croniter's own search is not used: it loses the first of March where the days have a 31, and its zones know no policy.
  - The zones are Python's own: dateutil's do not know that in Dublin and Casablanca it is the winter that is shifted.
"""
import calendar, datetime as dt, hashlib, importlib.metadata, json, lzma, pathlib, random, re, subprocess, sys, zoneinfo

try:
    from croniter import croniter
    from dateutil import relativedelta, rrule, tz
    MISSING = None
except ImportError as missing:
    MISSING = missing

RECORD = pathlib.Path(__file__).with_name("schedules.jsonl.xz")
UTC = dt.timezone.utc
FUTURE = dt.datetime(2024, 1, 1, tzinfo=UTC), dt.datetime(2029, 12, 31, tzinfo=UTC)
PAST = dt.datetime(2000, 1, 1, tzinfo=UTC), dt.datetime(2024, 12, 31, tzinfo=UTC)
NICKNAMES = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"]
ALL_WEEKDAYS = re.compile("(0|SUN)-(6|SAT)(/1)?|0/1")
MONTHS, DAYS = list(calendar.month_abbr)[1:], ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def field(random, low, high, names=(), star=0.4):
    """One field of a cron, and whether it is plain numbers."""
    dice = random.random()
    if dice < star:
        return "*"
    a = random.randint(low, high)
    b = random.randint(a, high)
    name = lambda n: random.choice([names[n - low], names[n - low].lower()]) if names and random.random() < 0.5 else str(n)
    return random.choice([name(a), name(a), f"{name(a)},{name(b)}", f"{name(a)}-{name(b)}", f"*/{random.randint(1, max(2, (high - low) // 2))}",
                          f"{a}-{b}/{random.randint(1, 5)}", f"{a}/{random.randint(1, 6)}"])


def cron(random):
    parts = [field(random, 0, 59, star=0.15), field(random, 0, 23), field(random, 1, 28, star=0.6), field(random, 1, 12, MONTHS, star=0.7),
             field(random, 0, 6, DAYS, star=0.6)]
    if random.random() < 0.1:
        parts[2] = random.choice(["29", "30", "31", "28-31"])
        parts[3] = "*"
    return parts


def second(random):
    """The field in front. Rarely many values: the oracle looks at each second of hours."""
    a = random.randint(0, 59)
    return random.choice([f"{a}", f"{a}", f"{a},{random.randint(0, 59)}", f"{a}-{min(a + 3, 59)}", f"{a}/{random.randint(9, 31)}",
                          f"*/{random.randint(15, 59)}", "*" if random.random() < 0.05 else "0"])


def changes(zone, first, last):
    """The instants in that span at which the zone's offset changes."""
    found, step, at = [], dt.timedelta(days=20), first
    offset = lambda when: when.astimezone(zone).utcoffset()
    while at < last:
        if offset(at) != offset(at + step):
            low, high = at, at + step
            while high - low > dt.timedelta(seconds=1):
                middle = low + (high - low) / 2
                if offset(middle) == offset(low):
                    low = middle
                else:
                    high = middle
            found.append(high.replace(microsecond=0))
        at += step
    return found


def instant(naive, zone, fold=0):
    return naive.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def end_of_gap(naive, zone):
    """The first instant after the gap that swallowed this local time."""
    low, high = naive - dt.timedelta(days=2), naive + dt.timedelta(days=2)
    low, high = instant(low, zone), instant(high, zone)
    offset = low.astimezone(zone).utcoffset()
    while high - low > dt.timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if middle == low:
            break
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high


def placed(naive, zone, fixed, dst):
    """The instants of one nominal local time under the schedule's policy."""
    if not tz.datetime_exists(naive, zone):
        return [end_of_gap(naive, zone)] if fixed and dst["gap"] == "after" else []
    if tz.datetime_ambiguous(naive, zone):
        first, second = instant(naive, zone), instant(naive, zone, 1)
        if not fixed or dst["overlap"] == "both":
            return [first, second]
        return [first if dst["overlap"] == "first" else second]
    return [instant(naive, zone)]


def one_value(part, names, low):
    """`5-5` and `MON-1/3` as the one value that they are."""
    number = lambda text: low + names.index(text) if text in names else int(text)
    span = re.fullmatch(r"(\w+)-(\w+)(/\d+)?", part.upper())
    return str(number(span[1])) if span and number(span[1]) == number(span[2]) else part


def nominal(seconds, parts, local):
    """The local times that a cron names after `local`."""
    names = [([], 0), ([], 0), ([], 1), ([name.upper() for name in MONTHS], 1), (DAYS, 0)]
    asked = [one_value(part, *known) for part, known in zip(parts, names)] + [one_value(seconds, [], 0)]
    minutes, hours, days, months, weekdays, seconds = (None if values == ["*"] else values for values in croniter.expand(" ".join(asked))[0])
    times = {"byminute": minutes or range(60), "byhour": hours or range(24), "bysecond": seconds or range(60), "bymonth": months,
             "dtstart": local.replace(second=0, microsecond=0)}
    weekdays = weekdays and [(day - 1) % 7 for day in weekdays]
    rules = rrule.rruleset()
    if days and weekdays and not (parts[2].startswith("*") or parts[4].startswith("*")):
        rules.rrule(rrule.rrule(rrule.DAILY, bymonthday=days, **times))
        rules.rrule(rrule.rrule(rrule.DAILY, byweekday=weekdays, **times))
    else:
        rules.rrule(rrule.rrule(rrule.DAILY, bymonthday=days, byweekday=weekdays, **times))
    return rules.xafter(local)


def cron_answer(parts, zone, dst, after, n):
    if len(parts) == 1:
        parts = [",".join(map(str, values)) for values in croniter.expand(parts[0])[0]]
    seconds, parts = (parts[0], parts[1:]) if len(parts) == 6 else ("0", parts)
    fixed = all(p.isdigit() for p in parts[1].split(","))
    if not (parts[2].startswith("*") or parts[4].startswith("*")) and (ALL_WEEKDAYS.fullmatch(parts[4].upper()) or parts[2] == "1/1"):
        parts = parts[:2] + ["*", parts[3], "*"]
    if re.fullmatch("[0-6]/[0-9]", parts[4]):
        parts = parts[:4] + [parts[4].replace("/", "-6/")]
    # a later local time may be an earlier instant, by three hours at most (Antarctica/Casey)
    margin = dt.timedelta(hours=3)
    times = set()
    for naive in nominal(seconds, parts, after.astimezone(zone).replace(tzinfo=None) - margin):
        for at in placed(naive, zone, fixed, dst):
            if at > after:
                times.add(at)
        times = set(sorted(times)[:n])
        if len(times) == n and instant(naive, zone) > max(times) + margin:
            break
    return sorted(times)


def every_answer(every, zone, start, after, n):
    count, unit = int("".join(c for c in every if c.isdigit())), every.lstrip("0123456789")
    times, k = [], 0
    if unit in ("h", "m"):
        span = dt.timedelta(hours=count) if unit == "h" else dt.timedelta(minutes=count)
        k = max(0, (after - start) // span)
        while len(times) < n:
            at = start + k * span
            if at > after:
                times.append(at)
            k += 1
        return times
    local = start.astimezone(zone).replace(tzinfo=None)
    day = {"d": 1, "mo": 28, "y": 365}[unit] * count
    k = max(0, (after - start).days // (day + (4 if unit == "mo" else 1)) - 3)
    while len(times) < n:
        naive = local + {"d": dt.timedelta(days=count * k), "mo": relativedelta.relativedelta(months=count * k), "y": relativedelta.relativedelta(years=count * k)}[unit]
        at = instant(naive, zone) if tz.datetime_exists(naive, zone) else end_of_gap(naive, zone)
        if at > after and (not times or at > times[-1]):
            times.append(at)
        k += 1
    return times


def question(random, zones, first, last):
    name, zone, jumps = random.choice(zones)
    if jumps and random.random() < 0.5:
        after = random.choice(jumps) + dt.timedelta(minutes=random.randint(-3000, 600))
    else:
        after = first + dt.timedelta(minutes=random.randint(0, (last - first) // dt.timedelta(minutes=1)))
    dst = {"gap": random.choice(["after", "skip"]), "overlap": random.choice(["first", "second", "both"])}
    schedule = {"timezone": name, **dst}
    if random.random() < 0.8:
        parts = cron(random)
        if random.random() < 0.2:
            parts.insert(0, second(random))
        elif random.random() < 0.04:
            parts = [random.choice(NICKNAMES)]
        schedule["cron"] = " ".join(parts)
        expected = cron_answer(parts, zone, dst, after, 4)
    else:
        schedule["every"] = random.choice([f"{random.randint(1, 90)}m", f"{random.randint(1, 30)}h", f"{random.randint(1, 40)}d", f"{random.randint(1, 13)}mo", "1y"])
        start = dt.datetime(after.year - 1, random.randint(1, 12), random.choice([1, 15, 28]), random.randint(0, 23), 30, tzinfo=UTC)
        if random.random() < 0.5:
            start = start.replace(month=random.choice([1, 3, 5, 7, 8, 10, 12]), day=random.choice([29, 30, 31]))
        schedule["start"] = start.strftime("%Y-%m-%dT%H:%M:%SZ")
        expected = every_answer(schedule["every"], zone, start, after, 4)
    furthest = expected[-1]
    if random.random() < 0.1:  # what comes at the end is left out, what comes a second before it is not
        end = random.choice(expected) + dt.timedelta(seconds=random.choice([0, 0, 1, 3600]))
        schedule["end"] = end.strftime("%Y-%m-%dT%H:%M:%SZ")
        expected = [at for at in expected if at < end]
    asked = {**schedule, "after": after.strftime("%Y-%m-%dT%H:%M:%SZ"), "n": 4}
    return asked, [int(at.timestamp()) for at in expected], furthest


def zones_between(first, last):
    names = sorted(n for n in zoneinfo.available_timezones() if "/" in n and not n.startswith(("Etc/", "posix/", "right/", "SystemV/")))
    return [(name, zone, changes(zone, first, last)) for name, zone in ((n, zoneinfo.ZoneInfo(n)) for n in names)]


def rules(zone):
    """What a zone's clock does in the years of the record, in few letters."""
    shown = [(at.timestamp(), at.astimezone(zone).utcoffset().total_seconds()) for at in [PAST[0], *changes(zone, *PAST)]]
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:8]


def tzdata_version():
    for folder in map(pathlib.Path, zoneinfo.TZPATH):
        if (folder / "tzdata.zi").is_file():
            return (folder / "tzdata.zi").open().readline().split()[-1]
    return "unknown"


def record(cases=10_000, seed=1):
    source, zones = random.Random(seed), zones_between(*PAST)
    # some days before and after: a start and an answer whose day is looked at whole
    first, last = PAST[0] + dt.timedelta(days=800), PAST[1] - dt.timedelta(days=3)
    near = [(name, zone, [at for at in jumps if first < at < last]) for name, zone, jumps in zones]
    questions = []
    while len(questions) < cases:
        asked, expected, furthest = question(source, near, first, last)
        if furthest < last:
            questions.append((asked, expected))
    used = {asked["timezone"] for asked, _ in questions}
    versions = {library: importlib.metadata.version(name) for library, name in (("croniter", "croniter"), ("dateutil", "python-dateutil"))}
    head = {**versions, "tzdata": tzdata_version(), "seed": seed, "zones": {name: rules(zone) for name, zone, _ in zones if name in used}}
    with lzma.open(RECORD, "wt", preset=9 | lzma.PRESET_EXTREME) as out:
        out.write(json.dumps(head) + "\n")
        for asked, expected in questions:
            begun = int(dt.datetime.fromisoformat(asked["after"].replace("Z", "+00:00")).timestamp())
            out.write(json.dumps([asked, [at - begun for at in expected]], separators=(",", ":")) + "\n")
    print(f"{len(questions)} schedules in {len(used)} zones recorded: {RECORD.stat().st_size} bytes")


def recorded():
    """The questions whose zones have the same rules here, and their answers."""
    with lzma.open(RECORD, "rt") as lines:
        head = json.loads(next(lines))
        questions = [json.loads(line) for line in lines]
    others = set()
    for name, known in head["zones"].items():
        try:
            same = rules(zoneinfo.ZoneInfo(name)) == known
        except zoneinfo.ZoneInfoNotFoundError:
            same = False
        if not same:
            others.add(name)
    if others:
        print(f"left out, since tzdata {tzdata_version()} has other rules than {head['tzdata']} had: {', '.join(sorted(others))}")
    assert len(others) * 4 < len(head["zones"]), "the zone data of this machine are not to be compared with"
    for asked, expected in questions:
        if asked["timezone"] not in others:
            begun = int(dt.datetime.fromisoformat(asked["after"].replace("Z", "+00:00")).timestamp())
            yield asked, [begun + at for at in expected]


def differing(program, what, questions):
    """Asks the program, and tells where it says something else; how often it does."""
    asked = "".join(json.dumps(q) + "\n" for q, _ in questions)
    answers = subprocess.run([program], input=asked, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    assert len(answers) == len(questions), f"{len(answers)} answers to {len(questions)} questions"
    shown = lambda times: ", ".join(dt.datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for t in times)
    different = [(q, expected, list(map(int, answer.split()))) for (q, expected), answer in zip(questions, answers) if list(map(int, answer.split())) != expected]
    for q, expected, found in different[:20]:
        print(f"{json.dumps(q)}\n  expected {shown(expected)}\n  found    {shown(found)}")
    count = lambda holds: sum(1 for q, _ in questions if holds(q))
    crons, seconds = count(lambda q: "cron" in q), count(lambda q: q.get("cron", "").count(" ") == 5)
    print(f"{len(questions)} {what} schedules in {len({q['timezone'] for q, _ in questions})} zones ({crons} crons, {seconds} of them with "
          f"seconds, {count(lambda q: q.get('cron', '').startswith('@'))} nicknames; {len(questions) - crons} intervals; "
          f"{count(lambda q: 'end' in q)} that end): {len(different)} differ")
    return len(different)


def main(program, cases=10_000, seed=1):
    different = differing(program, "recorded", list(recorded()))
    if MISSING:
        print(f"no new ones: {MISSING}: sudo deploy/packages check")
    else:
        source, zones = random.Random(seed), zones_between(*FUTURE)
        different += differing(program, "new", [question(source, zones, *FUTURE)[:2] for _ in range(cases)])
    sys.exit(bool(different))


if __name__ == "__main__":
    if sys.argv[1] == "--record":
        record(*map(int, sys.argv[2:]))
    else:
        main(sys.argv[1], *map(int, sys.argv[2:]))
