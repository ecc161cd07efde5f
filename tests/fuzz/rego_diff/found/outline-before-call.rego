package fuzz

f(x) := "a" if {
	x != null
}

f(x) := {-1} if {
	x != null
}

r1 := [] if {
	input.m == [f("a:b:c")]
}

r2 := 1 if {
	input.s == [f("a"), 2, f("b")]
}
