package app.rules

import rego.v1

# METADATA
# entrypoint: true
default allow := false

allow if {
	input.user.role in {"admin", "owner"}
	not denied
}

allow if {
	some i
	data.users[i].id == input.user.id
	every p in data.users[i].permissions { startswith(p, "read:") }
}

denied if input.user.locked == true

denied if {
	count(violations) > 2
}

level := "high" if {
	input.risk > 90
} else := "medium" if {
	input.risk > 50
} else := "low"

violations contains msg if {
	some k, v in input.labels
	not regex.match(`^[a-z]+$`, v)
	msg := sprintf("label %s: %v is <bad> & \"wrong\"", [k, v])
}

violations contains {"msg": "no name", "at": [1, 2.50, null]} if not input.name

by_team[team] contains user if {
	some user
	team := data.users[user].team
}

by_name[name] := u if {
	some u in data.users
	name := u.name
}

deep.a.b[x].c := y if some x, y in input.deep

deep.a.q := 7

pair(a, b) := {"a": a, "b": b}

pair({"k": k}, [first, _]) := [k, first]

pair("x", _) := 1 if { true } else := 2

swapped := {v: k | some k, v in input.labels; k != "x"}

list := [x | some x in input.items; x.ok; {"n": n} = x.meta; n > 1e3]

unify if {
	[a, {"b": b, "c": [c, 3]}, "s", true] = input.tuple
	{"a": 1, a: b} = {"a": 1, c: b}
	[_, q] = [b, c]
	q == 4
}

both if {
	pair(1, 2, {"a": x, "b": y})
	x < y
}

values(x) := x * 2

unicode := "ö" if input["é"] == "ü…"
