package fuzz

r0 := x if {
	x := input.a[_]
	to_number("q") != 1
}

r0 := y if {
	y := input.a[_]
}
