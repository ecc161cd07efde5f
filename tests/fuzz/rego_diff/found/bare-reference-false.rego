package fuzz

f(x) := 1 if x > 0
f(x) := 2 if x > 1

p if {
	f(input.n) == 1
	input.b
}

q if {
	f(input.n) == 1
	input.c
}

s contains x if {
	some x in [1]
	f(input.n) == x
	input.b
}
