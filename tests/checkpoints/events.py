"""Writes events.ndjson: the same events at every run. Usage: python3 events.py > events.ndjson"""
import json
import random

draw = random.Random(20261128)
notes = ["gift", "fragile glass", "leave at the door", "", None, "two parcels"]
for seq in range(1, 401):
    minute = seq if draw.random() > 0.05 else seq - 100
    at = f"2026-03-{1 + max(minute, 0) // 1440:02}T{max(minute, 0) % 1440 // 60:02}:{max(minute, 0) % 60:02}:00Z"
    order = f"o{seq if draw.random() < 0.9 else seq // 2}"
    kind = draw.choice(["Placed"] * 5 + ["Shipped"] * 3 + ["Named", "Unknown"])
    headers = {"type": kind}
    if kind == "Placed":
        data = {
            "customer": f"c{draw.randrange(12)}",
            "total": f"{draw.randrange(1, 20000) / 100:.2f}",
            "weight": draw.choice([None, draw.uniform(-1e3, 1e3), 1e18, -1e-9]),
            "flags": draw.randrange(256),
            "paid": draw.choice([True, False, None]),
            "note": draw.choice(notes),
            "lines": [{"sku": f"s{draw.randrange(6)}", "qty": draw.randrange(1, 9)} for _ in range(draw.randrange(3))],
        }
        order = f"o{seq}"
        if draw.random() < 0.3:
            data["cust"] = data.pop("customer")
            headers["version"] = "1"
        else:
            headers["version"] = "2"
        if draw.random() < 0.03:
            data["total"] = "much"
    elif kind == "Shipped":
        order = f"o{draw.randrange(1, seq + 1)}"
        data = {"carrier": draw.choice(["dhl", "ups"]), "boxes": draw.randrange(0, 4)}
    else:
        data = {"name": "somebody", "city": None}
    data["at"] = at
    print(json.dumps({"subject": f"shop.{order}", "headers": headers, "data": data}))
