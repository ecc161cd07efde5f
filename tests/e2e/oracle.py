"""What the counters must say, worked out anew from the events alone: whole numbers, zoneinfo, no code of the program.

    o = Oracle({"acme": ("Europe/Paris", {"d": "day"})})
    o.take(event, arrived_ns)        # in the order in which they are counted; a second one of an id counts nothing
    o.window("acme", "USD", "day", now_ns) -> (start_ns, end_ns)
    o.sums("acme", "USD", "day", now_ns)   -> {"posted_nanos", "events", "late_nanos", "corrected_nanos"}"""

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


class Oracle:
    def __init__(self, tenants):
        self.tenants = tenants
        self.events = {}  # (source, id) -> what counts of it

    def take(self, event, arrived_ns):
        key = (event["source"], event["id"])
        if key in self.events:
            return False
        data = event["data"]
        link = data.get("corrects")
        self.events[key] = {
            "tenant": data["tenant"],
            "currency": data["currency"],
            "nanos": nanos(data["amount"]),
            "usage": data["kind"] == "usage",
            "time": instant(event["time"]),
            "arrived": arrived_ns,
            "corrects": (link["source"], link["id"]) if link else None,
        }
        return True

    def place(self, e, depth=0):
        """(slot, late), and whether it is final."""
        arrival = e["arrived"] // SLOT
        if e["corrects"]:
            original = self.events.get(e["corrects"])
            if original is not None and depth < 100:
                slot, _, final = self.place(original, depth + 1)
                if final:
                    return slot, False, True
            return arrival, True, False
        if e["time"] > e["arrived"] + FUTURE:
            return arrival, False, True
        slot = e["time"] // SLOT
        return (slot if slot >= max(0, arrival - KEPT) else arrival), e["time"] < e["arrived"] - LATE, True

    def window(self, tenant, kind, now_ns):
        return period(kind, now_ns, self.tenants[tenant][0])

    def sums(self, tenant, currency, kind, now_ns):
        start, end = self.window(tenant, kind, now_ns)
        out = {"posted_nanos": 0, "events": 0, "late_nanos": 0, "corrected_nanos": 0}
        for e in self.events.values():
            if e["tenant"] != tenant or e["currency"] != currency:
                continue
            slot, late, _ = self.place(e)
            if start <= slot * SLOT < end:
                out["posted_nanos"] += e["nanos"]
                out["events"] += 1
                out["late_nanos"] += e["nanos"] if late else 0
                out["corrected_nanos"] += 0 if e["usage"] else e["nanos"]
        return out
