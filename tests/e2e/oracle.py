"""What the counters must say, worked out anew from the events alone: whole numbers, zoneinfo, no code of the program.

    o = Oracle(tenants)              # the document data.tenants
    o.take(event, arrived_ns)        # in the order in which they are counted; a second one of an id counts nothing
    o.window("acme", "day", now_ns) -> (start_ns, end_ns)
    o.row("acme", "daily", now_ns)  -> what data.spend.acme.USD.daily says: SUMS, the window and, by value, `by`"""

import calendar
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from zoneinfo import ZoneInfo

SECOND = 10**9
SLOT = 900 * SECOND
FUTURE, LATE, KEPT = 300 * SECOND, 48 * 3600 * SECOND, 401 * 96


def nanos(amount):
    with localcontext() as c:
        c.prec = 80
        return int((Decimal(str(amount)) * SECOND).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def instant(text):
    """RFC 3339 with any number of decimals, to the nanosecond."""
    whole, _, rest = text.replace("Z", "+00:00").partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    at = datetime.fromisoformat(whole + rest[len(digits) :])
    return calendar.timegm(at.utctimetuple()) * SECOND + int((digits + "0" * 9)[:9])


def first_of(date, zone):
    """The first instant of a date in a zone, in nanoseconds. Where midnight does not exist, the day begins with the
    first minute that does; where it comes twice, with the first of them."""
    utc = datetime(date.year, date.month, date.day, tzinfo=timezone.utc) - timedelta(hours=16)
    for _ in range(32 * 4):
        if utc.astimezone(zone).date() >= date.date():
            return calendar.timegm(utc.utctimetuple()) * SECOND
        utc += timedelta(minutes=15)
    raise ValueError(date)


def period(kind, now_ns, name):
    zone = ZoneInfo(name)
    local = datetime.fromtimestamp(now_ns // SECOND, timezone.utc).astimezone(zone)
    day = datetime(local.year, local.month, local.day)
    if kind.startswith("rolling:"):
        end = (now_ns // SLOT + 1) * SLOT
        return now_ns // SLOT * SLOT - int(kind[8:-1]) * 3600 * SECOND, end
    if kind == "hour":
        off = int(local.utcoffset().total_seconds()) * SECOND  # whole quarters of an hour in our zones
        start = (now_ns + off) // (4 * SLOT) * 4 * SLOT - off
        return start, start + 4 * SLOT
    if kind == "week":
        start = day - timedelta(days=day.weekday())
        end = start + timedelta(days=7)
    elif kind == "month":
        start = day.replace(day=1)
        end = (start + timedelta(days=32)).replace(day=1)
    elif kind == "quarter":
        start = day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        end = (start + timedelta(days=95)).replace(day=1)
    elif kind == "year":
        start, end = day.replace(month=1, day=1), day.replace(year=day.year + 1, month=1, day=1)
    else:
        assert kind == "day", kind
        start, end = day, day + timedelta(days=1)
    return first_of(start, zone), first_of(end, zone)


SUMS = ("posted_nanos", "events", "late_nanos", "corrected_nanos")


class Oracle:
    def __init__(self, tenants):
        self.tenants = tenants
        self.events = {}  # (source, id) -> what counts of it
        self.slots = None  # tenant -> currency -> scope -> slot -> SUMS, while no event comes
        self.family = {t: [t] for t in tenants}
        for tenant in tenants:
            above = tenants[tenant].get("parent")
            while above:
                self.family[above].append(tenant)
                above = tenants[above].get("parent")

    def take(self, event, arrived_ns):
        key = (event["source"], event["id"])
        if key in self.events:
            return False
        data = event["data"]
        link = data.get("corrects")
        self.slots = None
        self.events[key] = (
            data["tenant"],
            data["currency"],
            tuple(sorted(data.get("scope", {}).items())),
            nanos(data["amount"]),
            data["kind"] == "usage",
            instant(event["time"]),
            arrived_ns,
            (link["source"], link["id"]) if link else None,
        )
        return True

    def place(self, e, depth=0):
        """(slot, late), and whether it is final."""
        at, arrived, corrects = e[5:]
        arrival = arrived // SLOT
        if corrects:
            original = self.events.get(corrects)
            if original is not None and depth < 100:
                slot, _, final = self.place(original, depth + 1)
                if final:
                    return slot, False, True
            return arrival, True, False
        if at > arrived + FUTURE:
            return arrival, False, True
        slot = at // SLOT
        return (slot if slot >= max(0, arrival - KEPT) else arrival), at < arrived - LATE, True

    def add_up(self):
        self.slots = {}
        for e in self.events.values():
            tenant, currency, scope, amount, usage = e[:5]
            slot, late, _ = self.place(e)
            scopes = self.slots.setdefault(tenant, {}).setdefault(currency, {})
            sums = scopes.setdefault(scope, {}).setdefault(slot, [0, 0, 0, 0])
            sums[0] += amount
            sums[1] += 1
            sums[2] += amount if late else 0
            sums[3] += 0 if usage else amount

    def window(self, tenant, kind, now_ns):
        return period(kind, now_ns, self.tenants[tenant].get("timezone", "UTC"))

    def row(self, tenant, budget, now_ns, currency="USD"):
        """Spend of the tenant and of all below it, where its scope has the budget's values; the values of `per` are
        those that were ever seen, with or without spend in the window."""
        if self.slots is None:
            self.add_up()
        rule = self.tenants[tenant]["budgets"][budget]
        start, end = self.window(tenant, rule["window"], now_ns)
        total, by = [0, 0, 0, 0], {}
        for member in self.family[tenant]:
            for scope, slots in self.slots.get(member, {}).get(currency, {}).items():
                scope = dict(scope)
                if any(scope.get(k) != v for k, v in rule.get("scope", {}).items()):
                    continue
                parts = [total]
                if rule.get("per") in scope:
                    parts.append(by.setdefault(scope[rule["per"]], [0, 0, 0, 0]))
                for slot, sums in slots.items():
                    if start <= slot * SLOT < end:
                        for part in parts:
                            part[:] = [x + y for x, y in zip(part, sums)]
        row = dict(zip(SUMS, total), window_start=start, window_end=end)
        if "per" in rule:
            row["by"] = {rule["per"]: {v: dict(zip(SUMS, sums)) for v, sums in by.items()}}
        return row
