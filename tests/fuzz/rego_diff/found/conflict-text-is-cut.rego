package fuzz

r0 := [input.u, input.u, input.u] if { true }

r0["<&>"] := x if {
	some x in input.a
}
