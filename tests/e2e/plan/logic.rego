package app.logic

import rego.v2

p if {
	not { some x in input.xs; x > 3 }
	{ input.a == 1 } and { input.b == 2 }
}

q if input.a == 1 or input.b == 2

r if (input.a == 1 and input.b == 2) or not input.c

s := $"user {input.user} has {count(input.xs)} and {1 + input.n}"

t if {
	print("hello", input.x, {"a": [input.y]})
	false
}

t if "abc"

t if {
	{1, 2}
	x := input.x
	x
	not x == 3
	3 == 3
	"a" == "b"
}
