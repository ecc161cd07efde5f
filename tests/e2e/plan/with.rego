package app.with_test

import rego.v1

import data.app.rules

mock_contains(a, b) := a == b

t1 if rules.allow with input as {"user": {"role": "admin"}}

t2 if rules.allow with input.user.role as "x" with data.users as [{"id": 1}]

t3 if rules.denied with rules.violations as {1, 2, 3}

t4 if rules.level == "low" with input.risk as 1 with rules.denied as true

t5 := n if {
	n := count([1, 2]) with count as 9
}

t6 := x if {
	v := input.v
	x := helper(3) with time.now_ns as v with helper2 as v
}

t7 if rules.allow with startswith as mock_contains

t8 := z if {
	z := helper2(1) with helper2 as rules.values
}

t9 if not helper(1) with helper2 as false

t10 := [x, y] if {
	x := helper(1)
	y := helper(1) with helper2 as abs
}

t11 := x if {
	x := data.app.rules with data.app.rules as {"level": "x"}
}

t12 if every x in [1, 2] {
	helper(x) > 0
}

t13 if {
	some p
	data.app.rules[p] == "low" with input as {"risk": 2}
}

t14 := z if {
	z := concat(",", ["a"]) with concat as rules.level with io.jwt.decode as [1, 2]
}

helper(x) := helper2(x) + time.now_ns()

helper2(x) := x + 1

t15 if data.unknown.place with data.unknown.place as input.x

t16 := path if {
	walk(input, [path, value]) with input as {"a": [1]}
	value == 1
}
