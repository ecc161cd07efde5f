package fuzz

f(x) if {
	some v in {x: x | input.s}
	v
}

g(x) if {
	y := {"a": x | true}
	y.a == "a"
	count(y) == "a"
}
