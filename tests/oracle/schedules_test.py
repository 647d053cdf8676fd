#!/usr/bin/python3
"""schedules_test.py PROGRAM [CASES] [SEED]: when schedules fire, beside two independent libraries: croniter says what the fields of a
cron hold, dateutil on which days that is, which local times exist or come twice, and what a month later is.

Half of the questions begin near a change of the clock, over all zones of the system.

Where we differ on purpose, and what is asked instead:
  - `*/2` as a day: croniter takes it for a restriction that suffices alone (a day OR a weekday). cron(8), and we, have it that a field
    that begins with `*` restricts nothing by itself, so both must hold.
  - all weekdays, `0-6`, and all days, `1/1`: croniter takes them for `*`. They are a restriction that holds on every day, so the other
    field excludes none.
  - `2/3` as a weekday ends on Saturday: croniter counts on to 7, Sunday again.
  - croniter's own search is not used: it loses the first of March where the days have a 31, and its zones know no policy.
  - The zones are Python's own: dateutil's do not know that in Dublin and Casablanca it is the winter that is shifted.
"""
import calendar, datetime as dt, json, random, re, subprocess, sys, zoneinfo

try:
    from croniter import croniter
    from dateutil import relativedelta, rrule, tz
except ImportError as missing:
    print(f"SKIPPED: {missing}: sudo deploy/packages check")
    sys.exit(0)

UTC = dt.timezone.utc
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


def nominal(parts, local):
    """The local times that a cron names after `local`."""
    minutes, hours, days, months, weekdays = (None if values == ["*"] else values for values in croniter.expand(" ".join(parts))[0])
    times = {"byminute": minutes or range(60), "byhour": hours or range(24), "bysecond": 0, "bymonth": months, "dtstart": local.replace(second=0)}
    weekdays = weekdays and [(day - 1) % 7 for day in weekdays]
    rules = rrule.rruleset()
    if days and weekdays and not (parts[2].startswith("*") or parts[4].startswith("*")):
        rules.rrule(rrule.rrule(rrule.DAILY, bymonthday=days, **times))
        rules.rrule(rrule.rrule(rrule.DAILY, byweekday=weekdays, **times))
    else:
        rules.rrule(rrule.rrule(rrule.DAILY, bymonthday=days, byweekday=weekdays, **times))
    return rules.xafter(local)


def cron_answer(parts, zone, dst, after, n):
    fixed = all(p.isdigit() for p in parts[1].split(","))
    if not (parts[2].startswith("*") or parts[4].startswith("*")) and (ALL_WEEKDAYS.fullmatch(parts[4].upper()) or parts[2] == "1/1"):
        parts = parts[:2] + ["*", parts[3], "*"]
    if re.fullmatch("[0-6]/[0-9]", parts[4]):
        parts = parts[:4] + [parts[4].replace("/", "-6/")]
    # a later local time may be an earlier instant, by two hours at most (Antarctica/Troll)
    margin = dt.timedelta(hours=3)
    times = set()
    for naive in nominal(parts, after.astimezone(zone).replace(tzinfo=None) - margin):
        for at in placed(naive, zone, fixed, dst):
            if at > after:
                times.add(at)
        if len(times) >= n and instant(naive, zone) > sorted(times)[n - 1] + margin:
            break
    return sorted(times)[:n]


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


def question(random, zones):
    name, zone, jumps = random.choice(zones)
    if jumps and random.random() < 0.5:
        after = random.choice(jumps) + dt.timedelta(minutes=random.randint(-3000, 600))
    else:
        after = dt.datetime(2024, 1, 1, tzinfo=UTC) + dt.timedelta(minutes=random.randint(0, 6 * 525600))
    dst = {"gap": random.choice(["after", "skip"]), "overlap": random.choice(["first", "second", "both"])}
    schedule = {"timezone": name, **dst}
    if random.random() < 0.8:
        parts = cron(random)
        schedule["cron"] = " ".join(parts)
        expected = cron_answer(parts, zone, dst, after, 4)
    else:
        schedule["every"] = random.choice([f"{random.randint(1, 90)}m", f"{random.randint(1, 30)}h", f"{random.randint(1, 40)}d", f"{random.randint(1, 13)}mo", "1y"])
        start = dt.datetime(2023, random.randint(1, 12), random.choice([1, 15, 28, 29, 30, 31][:3 if random.random() < 0.5 else 3]), random.randint(0, 23), 30, tzinfo=UTC)
        schedule["start"] = start.strftime("%Y-%m-%dT%H:%M:%SZ")
        expected = every_answer(schedule["every"], zone, start, after, 4)
    return {**schedule, "after": after.strftime("%Y-%m-%dT%H:%M:%SZ"), "n": 4}, [int(at.timestamp()) for at in expected]


def main(program, cases=10_000, seed=1):
    source = random.Random(seed)
    first, last = dt.datetime(2024, 1, 1, tzinfo=UTC), dt.datetime(2029, 12, 31, tzinfo=UTC)
    names = sorted(n for n in zoneinfo.available_timezones() if "/" in n and not n.startswith(("Etc/", "posix/", "right/", "SystemV/")))
    zones = [(name, zone, changes(zone, first, last)) for name, zone in ((n, zoneinfo.ZoneInfo(n)) for n in names)]
    questions = [question(source, zones) for _ in range(cases)]
    asked = "".join(json.dumps(q) + "\n" for q, _ in questions)
    answers = subprocess.run([program], input=asked, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    assert len(answers) == cases, f"{len(answers)} answers to {cases} questions"
    shown = lambda times: ", ".join(dt.datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for t in times)
    different = [(q, expected, list(map(int, answer.split()))) for (q, expected), answer in zip(questions, answers) if list(map(int, answer.split())) != expected]
    for q, expected, found in different[:20]:
        print(f"{json.dumps(q)}\n  expected {shown(expected)}\n  found    {shown(found)}")
    near = sum(1 for q, _ in questions if "cron" in q)
    print(f"{cases} schedules in {len(zones)} zones ({near} crons, {cases - near} intervals): {len(different)} differ")
    sys.exit(bool(different))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
